"""IMAP service: sessions with the folders of an account (RFC 3501, RFC 9051)."""
