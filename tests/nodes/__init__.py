"""Several nodes of one office over one PostgreSQL, and what goes wrong between them: `python -m tests.nodes`."""
