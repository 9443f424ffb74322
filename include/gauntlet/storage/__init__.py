"""PostgreSQL (tables, repositories, migrations) and the object store (layout, access for pods)."""
