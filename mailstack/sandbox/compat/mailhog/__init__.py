"""MailHog's API v2, and what its client libraries call of v1."""
