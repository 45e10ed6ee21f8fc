"""Drop-in for smtpdfix: `smtpd`, SMTPDFix, AuthController, Config, on mailstack's SMTP engine.

In a conftest.py: `from mailstack.testing.smtpdfix import smtpd`, or run pytest with `-p mailstack.testing.smtpdfix`.
"""

from __future__ import annotations

from mailstack.testing.smtpdfix.controller import AuthController, Config, SMTPDFix, smtpd
from mailstack.testing.smtpdfix.smtp import Authenticator, AuthMessage

__all__ = ["AuthController", "AuthMessage", "Authenticator", "Config", "SMTPDFix", "smtpd"]
