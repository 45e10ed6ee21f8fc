"""The table: what mailstack does in a second, in a kilobyte and at once, and Postfix and Dovecot beside it."""
