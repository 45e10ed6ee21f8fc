"""SQLite store: one database file, with a writer thread and reader threads."""
