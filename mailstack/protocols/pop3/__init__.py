"""POP3 without I/O: server and client (RFC 1939, 2449, 2595, 5034)."""
