"""Worker processes of one server: a master forks them."""
