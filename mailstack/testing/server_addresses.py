"""Addresses of a test server, and framework settings for sending to it."""

from __future__ import annotations

import ssl
from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any

from mailstack.letter.envelope import HostPort
from mailstack.sandbox.dev import DevEnvironment


class ServerAddresses(ABC):
    """The addresses of one running test server."""

    @property
    @abstractmethod
    def _running(self) -> DevEnvironment:
        """The running environment. Raises RuntimeError if it isn't running."""

    @property
    def capture(self) -> HostPort:
        """Address that accepts any message without login and TLS."""
        return self._running.services["capture"]

    @property
    def submission(self) -> HostPort:
        """Address for clients that log in, with STARTTLS."""
        return self._running.services["submission"]

    @property
    def submissions(self) -> HostPort:
        """Address for clients that log in, with TLS from the start."""
        return self._running.services["submissions"]

    @property
    def pop3(self) -> HostPort:
        """Address of the POP3 service, with STLS."""
        return self._running.services["pop3"]

    @property
    def pop3s(self) -> HostPort:
        """Address of the POP3 service, with TLS from the start."""
        return self._running.services["pop3s"]

    @property
    def web(self) -> str:
        """URL of the web inbox and of the HTTP API."""
        return str(self._running.facts()["web"])

    @property
    def ca_file(self) -> str:
        """Path of the CA certificate (PEM); the server's certificate is for localhost, 127.0.0.1 and ::1."""
        return str(self._running.ca_file)

    @cached_property
    def ssl_context(self) -> ssl.SSLContext:
        """Client context that trusts only this CA."""
        return ssl.create_default_context(cafile=self.ca_file)

    def django_settings(self) -> dict[str, Any]:
        """Django settings that send mail to `capture`."""
        return {
            "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
            "EMAIL_HOST": self.capture.host,
            "EMAIL_PORT": self.capture.port,
            "EMAIL_HOST_USER": "",
            "EMAIL_HOST_PASSWORD": "",
            "EMAIL_USE_TLS": False,
            "EMAIL_USE_SSL": False,
        }

    def flask_mail_settings(self) -> dict[str, Any]:
        """Flask-Mail settings (also for its successors) that send mail to `capture`."""
        return {
            "MAIL_SERVER": self.capture.host,
            "MAIL_PORT": self.capture.port,
            "MAIL_USERNAME": None,
            "MAIL_PASSWORD": None,
            "MAIL_USE_TLS": False,
            "MAIL_USE_SSL": False,
            "MAIL_SUPPRESS_SEND": False,
        }
