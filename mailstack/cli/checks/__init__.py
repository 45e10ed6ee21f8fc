"""Checks of `mailstack check`."""
