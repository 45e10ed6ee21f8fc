"""Documents that are written from docstrings."""
