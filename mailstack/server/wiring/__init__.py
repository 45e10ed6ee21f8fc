"""Wiring: builds the dependencies of a mail server from its configuration."""
