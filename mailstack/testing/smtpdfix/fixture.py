"""The fixture `smtpd`, and the context manager for everybody else."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from mailstack.testing.certificates import one_file
from mailstack.testing.smtpdfix.configuration import Config
from mailstack.testing.smtpdfix.controller import AuthController
from mailstack.testing.smtpdfix.handlers import Authenticator

CERTIFICATE = "SMTPD_SSL_CERTIFICATE_FILE"


class ConfiguredAuthenticator(Authenticator):
    """The one user of the configuration."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def validate(self, username: str, password: str) -> bool:
        return (username, password) == (self.config.login_username, self.config.login_password)

    def verify(self, username: str) -> bool:
        return bool(username == self.config.login_username)

    def get_password(self, username: str | None) -> str:  # noqa: ARG002 - there is one
        return str(self.config.login_password)


class SMTPDFix:
    """`with SMTPDFix() as smtpd:`, a running server."""

    def __init__(self, hostname: str | None = None, port: int | None = None, config: Config | None = None) -> None:
        self.hostname = hostname
        self.port = port
        self.config = config or Config()

    def __enter__(self) -> AuthController:
        self.controller = AuthController(
            hostname=self.hostname,
            port=self.port,
            config=self.config,
            authenticator=ConfiguredAuthenticator(self.config),
        )
        self.controller.start()
        return self.controller

    def __exit__(self, *_: object) -> None:
        self.controller.stop(no_assert=True)


@pytest.fixture
def smtpd(monkeypatch: pytest.MonkeyPatch) -> Iterator[AuthController]:
    """A small SMTP server: `hostname`, `port`, `messages`, `config`."""
    if CERTIFICATE not in os.environ:
        monkeypatch.setenv(CERTIFICATE, str(one_file()))
    with SMTPDFix() as server:
        yield server
