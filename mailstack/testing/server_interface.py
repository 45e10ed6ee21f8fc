"""Interface of a test server: addresses, settings of web frameworks, fault rules."""

from __future__ import annotations

import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, TypeVar

from mailstack.letter.envelope import HostPort
from mailstack.sandbox.arguments import unexpected_argument
from mailstack.sandbox.dev import DevEnvironment
from mailstack.sandbox.faults import Fault, FaultEvent, Faults

# Pytest shows the line of the test instead of these frames; --full-trace shows them.
__tracebackhide__ = True


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
    def imap(self) -> HostPort:
        """Address of the IMAP service, with STARTTLS."""
        return self._running.services["imap"]

    @property
    def imaps(self) -> HostPort:
        """Address of the IMAP service, with TLS from the start."""
        return self._running.services["imaps"]

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

    def django_settings(self, mailers: Iterable[str] | None = None) -> dict[str, Any]:
        """Django settings that send mail to `capture`: `MAILERS` with these aliases if given, else `EMAIL_…`."""
        backend = "django.core.mail.backends.smtp.EmailBackend"
        if mailers is not None:
            options = {"host": self.capture.host, "port": self.capture.port}
            return {"MAILERS": {alias: {"BACKEND": backend, "OPTIONS": dict(options)} for alias in mailers}}
        return {
            "EMAIL_BACKEND": backend,
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


T = TypeVar("T")


class ServerFaults:
    """The fault rules of a server; a change is effective when its call returns."""

    def __init__(self, faults: Callable[[], Faults], run: Callable[[Callable[[], Any]], Any]) -> None:
        """`run` calls a function in the reactor's thread and returns its result."""
        self._faults = faults
        self._run = run

    def add(self, rule: Fault | Mapping[str, Any] | None = None, /, **fields: Any) -> Fault:
        """Add a Fault, a dict, or the fields of one: `add(at="rcpt", reply="451 4.3.0 not now", times=2)`.

        Returns it with its id. Raises ValueError for an invalid rule.
        """
        if rule is not None and fields:
            raise ValueError("faults.add() takes a rule or the fields of one, not both")
        given = fields if rule is None else rule
        if not isinstance(given, Fault):
            if text := unexpected_argument("faults.add()", given, Fault.__struct_fields__, "field"):
                raise ValueError(text)
            try:
                given = Fault.from_json(given)
            except ValueError as error:
                raise ValueError(f"faults.add(): {error}") from None
        added: Fault = self._run(lambda: self._faults().add(given))
        return added

    def remove(self, rule: Fault | str) -> None:
        """Remove a rule, given by itself or its id. Raises KeyError."""
        try:
            self._run(lambda: self._faults().remove(_id(rule)))
        except KeyError:
            raise _unknown(rule) from None

    def clear(self) -> int:
        """Remove all rules; returns their number."""
        count: int = self._run(lambda: self._faults().clear())
        return count

    def list(self) -> list[tuple[Fault, int]]:
        """All rules, each with the number of times it fired."""
        rules: list[tuple[Fault, int]] = self._run(lambda: self._faults().list())
        return rules

    def fired(self, rule: Fault | str) -> int:
        """Number of times a rule fired. Raises KeyError."""
        try:
            count: int = self._run(lambda: self._faults().fired(_id(rule)))
        except KeyError:
            raise _unknown(rule) from None
        return count

    @property
    def firings(self) -> tuple[FaultEvent, ...]:
        """The latest events, oldest first."""
        firings: tuple[FaultEvent, ...] = self._run(lambda: tuple(self._faults().firings))
        return firings


def _unknown(rule: Fault | str) -> KeyError:
    return KeyError(f"there is no fault rule {_id(rule)!r}; faults.list() has the rules")


def _id(rule: Fault | str) -> str:
    return rule if isinstance(rule, str) else rule.id
