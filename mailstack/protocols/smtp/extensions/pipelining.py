"""PIPELINING (RFC 2920): commands may come in groups. The engine answers in order anyway, so this is a word only."""

from __future__ import annotations

from mailstack.protocols.smtp.extensions.extension import Extension

PIPELINING = Extension("PIPELINING")
