"""Store parts in SQL shared by SQLite and PostgreSQL."""
