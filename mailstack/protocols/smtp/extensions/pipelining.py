"""PIPELINING (RFC 2920): the keyword; the engine answers in order anyway."""

from __future__ import annotations

from mailstack.protocols.smtp.extensions.extension import Extension

PIPELINING = Extension("PIPELINING")
