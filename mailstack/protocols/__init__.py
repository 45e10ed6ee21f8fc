"""Mail protocols without I/O: SMTP, POP3 and SASL as state machines over octets."""
