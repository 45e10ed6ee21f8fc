"""Import and export of letters as files."""
