"""Tests of mailstack.cli.migrate."""
