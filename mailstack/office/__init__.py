"""Modules of the former layout that have not moved yet."""
