"""Tests of mailstack.moving."""
