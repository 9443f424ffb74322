"""A small, honest Kubernetes API for one machine, whose node runs containers as plain processes.

It exists so that `kubectl`, Airflow's KubernetesPodOperator and Gauntlet itself work where there is neither a
cluster nor a container runtime. It isolates nothing, and says so (docs/reference/devcluster.md).

Three rooms that can be read apart: ``store`` keeps objects and their history, ``api`` answers HTTP on top of it,
``node`` runs pods and talks to the API as any client does. Only ``server`` knows all three.
"""
