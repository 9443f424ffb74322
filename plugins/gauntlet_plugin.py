"""Gauntlet's plugin for Airflow. Every component loads this file, so it imports no operator and does no work."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from gauntlet_airflow import listeners


class GauntletPlugin(AirflowPlugin):
    """What Airflow loads of Gauntlet beside DAGs."""

    name = "gauntlet"
    listeners = [listeners]  # noqa: RUF012  (Airflow's own type)
