"""STATION 6, where letters rest: a reader's session with a maildrop (RFC 1939)."""
