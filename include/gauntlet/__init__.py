"""Gauntlet's domain: what is decided, without Airflow.

Importing this package must stay instant: nothing is imported here, and each room names the rooms it may use
(the contracts in ``pyproject.toml`` hold them to it).
"""

__version__ = "0.1.0"
