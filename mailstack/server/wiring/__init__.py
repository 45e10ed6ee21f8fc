"""Wiring of a server: builds the objects that its configuration names."""
