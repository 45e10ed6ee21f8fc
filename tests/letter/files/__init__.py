"""Tests of mailstack.letter.files."""
