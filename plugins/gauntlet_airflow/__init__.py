"""Gauntlet on Airflow: operators, sensors, triggers and the task graph of each kind of run.

Nothing is decided here that could be decided in ``gauntlet`` (the domain); nothing is imported here, so that
each Airflow component loads only what it uses.
"""
