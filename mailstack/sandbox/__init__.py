"""Sandbox around the server: dev environment, simulation, faults, recording and other tools' APIs."""
