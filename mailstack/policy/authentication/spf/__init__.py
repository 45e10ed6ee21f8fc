"""SPF: evaluates permission of a host to send for a domain (RFC 7208)."""

from __future__ import annotations

from mailstack.policy.authentication.spf.evaluation import SpfCode, SpfResult, check_host

__all__ = ["SpfCode", "SpfResult", "check_host"]
