"""ENHANCEDSTATUSCODES (RFC 2034): RFC 3463 codes in replies."""

from __future__ import annotations

from mailstack.protocols.smtp.extensions.extension import Extension

ENHANCEDSTATUSCODES = Extension("ENHANCEDSTATUSCODES")
