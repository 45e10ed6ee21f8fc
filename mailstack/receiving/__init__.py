"""Receiving services: submission (RFC 6409), MX on port 25 (RFC 5321), LMTP (RFC 2033)."""
