"""POP3 service: sessions with a maildrop (RFC 1939)."""
