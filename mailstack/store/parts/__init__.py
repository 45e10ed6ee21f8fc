"""Parts of the store in SQL that SQLite and PostgreSQL share."""
