"""Sendmail and mailq commands: submission into the queue without SMTP."""

from __future__ import annotations
