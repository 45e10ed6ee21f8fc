"""The store in PostgreSQL, which any number of processes on any number of machines share as one server.

Nothing here is imported by a server that has another store, for the driver takes time and memory.
"""
