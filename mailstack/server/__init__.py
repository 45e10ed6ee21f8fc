"""Mail server: its wiring, listeners, worker processes and Twisted service."""
