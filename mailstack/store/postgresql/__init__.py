"""PostgreSQL store, shared by the processes of one server on any number of machines.

Servers with another store import nothing from here, for the driver takes time and memory.
"""
