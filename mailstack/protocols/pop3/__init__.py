"""The language of POP3, without I/O: server and client (RFC 1939, 2449, 2595, 3206, 5034)."""
