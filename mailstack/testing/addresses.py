"""Addresses of a test server's services, and the settings of frameworks that send mail there."""

from __future__ import annotations

import ssl
from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any

from mailstack.letter.connection import HostPort
from mailstack.sandbox.dev import DevEnvironment


class ServerAddresses(ABC):
    """The addresses of one running test server."""

    @property
    @abstractmethod
    def _running(self) -> DevEnvironment:
        """The environment. Raises RuntimeError unless it runs."""

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
        """Path of the CA certificate (PEM) that signed the server's: for localhost, 127.0.0.1 and ::1, the same in a process."""
        return str(self._running.ca_file)

    @cached_property
    def ssl_context(self) -> ssl.SSLContext:
        """Client context that trusts this CA and no other."""
        return ssl.create_default_context(cafile=self.ca_file)

    def django_settings(self) -> dict[str, Any]:
        """Settings of Django that send mail to `capture`."""
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
        """Configuration of Flask-Mail and its successors that sends mail to `capture`."""
        return {
            "MAIL_SERVER": self.capture.host,
            "MAIL_PORT": self.capture.port,
            "MAIL_USERNAME": None,
            "MAIL_PASSWORD": None,
            "MAIL_USE_TLS": False,
            "MAIL_USE_SSL": False,
            "MAIL_SUPPRESS_SEND": False,
        }
