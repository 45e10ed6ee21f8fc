"""GreenMail's API, on our accounts and mailboxes: `users` and what is in their mailboxes, `service` for the whole environment."""
