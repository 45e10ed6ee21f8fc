"""Mailboxes: delivery (RFC 5598 §4.3.3), POP3 access and the index of letters."""
