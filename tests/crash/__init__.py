"""Two servers under load, killed at random moments again and again: `make crash`."""
