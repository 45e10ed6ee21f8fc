"""Whether a host may send for a domain: SPF, an evaluator that asks through the policies' look-ups (RFC 7208)."""

from __future__ import annotations

from mailstack.policy.authentication.spf.evaluation import SpfCode, SpfResult, check_host

__all__ = ["SpfCode", "SpfResult", "check_host"]
