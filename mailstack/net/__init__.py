"""Twisted adapters: sockets, TLS, DNS, HTTP, clock and log."""
