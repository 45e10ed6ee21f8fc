"""Drop-in for aiosmtpd: Controller and handlers with `handle_…` hooks, on mailstack's SMTP engine."""

from __future__ import annotations

from mailstack.testing.aiosmtpd.controller import Controller
from mailstack.testing.aiosmtpd.handlers import Debugging, Message, Sink
from mailstack.testing.aiosmtpd.smtp import SMTP, Envelope, Session

__all__ = ["SMTP", "Controller", "Debugging", "Envelope", "Message", "Session", "Sink"]
