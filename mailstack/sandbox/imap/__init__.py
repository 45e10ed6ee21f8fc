"""IMAP servers for tests: withheld extensions, and profiles of providers."""
