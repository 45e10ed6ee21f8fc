"""Tests of the public test API."""
