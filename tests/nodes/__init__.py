"""Several nodes of one server over one PostgreSQL, and what goes wrong between them: `python -m tests.nodes`."""
