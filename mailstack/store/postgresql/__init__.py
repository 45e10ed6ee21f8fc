"""The store in PostgreSQL, which any number of processes on any number of machines share as one office.

Nothing here is imported by an office that has another store, for the driver takes time and memory.
"""
