"""Tests of mailstack.mailfiles."""
