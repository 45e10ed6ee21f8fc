"""ENHANCEDSTATUSCODES (RFC 2034): replies carry RFC 3463 codes. `agree` in `extension` looks for this keyword."""

from __future__ import annotations

from mailstack.protocols.smtp.extensions.extension import Extension

ENHANCEDSTATUSCODES = Extension("ENHANCEDSTATUSCODES")
