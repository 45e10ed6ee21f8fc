"""MailHog's API v2, and the paths of v1 used by its client libraries."""
