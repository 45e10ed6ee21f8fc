"""IMAP without I/O: server engine, grammar and responses (RFC 3501, RFC 9051)."""
