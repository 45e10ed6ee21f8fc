"""mailstack: a letter's whole journey, from the sender's client to the reader's, in one reactor."""

__version__ = "0.1.0"
