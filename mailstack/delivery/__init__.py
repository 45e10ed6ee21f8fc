"""STATION 5, delivery: the MDA, which puts letters into the mailboxes of this office (RFC 5598 §4.3.3)."""
