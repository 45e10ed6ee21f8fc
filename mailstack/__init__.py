"""mailstack: a letter's whole journey in one reactor, from sender to reader."""

__version__ = "0.1.0"
