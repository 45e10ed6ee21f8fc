"""Mailboxes: delivery into them (the MDA of RFC 5598 §4.3.3), their POP3 access and their index."""
