"""Databases of earlier programs, a folder for each: what they hold must be there when the newest program opens them."""
