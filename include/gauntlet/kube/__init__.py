"""Pod specifications from definitions, clients, and what a cluster says of a pod. Knows nothing of Airflow."""
