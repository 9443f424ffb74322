"""What happens to a suite's execution between submission and verdict; each module is one step of the graph.

These are the side effects around the pure parts (orders, plans, merging, verdicts): rows, the object store.
Airflow calls them, but nothing here knows of Airflow.
"""
