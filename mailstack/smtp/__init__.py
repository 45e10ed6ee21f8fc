"""The language SMTP (RFC 5321), without I/O: both engines, their events, and the conversation of a receiving host."""
