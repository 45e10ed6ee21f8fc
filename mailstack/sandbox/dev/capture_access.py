"""Logins and recipients that the capture port and the pages accept."""

from __future__ import annotations

import re
from collections.abc import Mapping

from twisted.cred.portal import Portal
from zope.interface import Interface

from mailstack.accounts.authenticator import CredAuthenticator
from mailstack.accounts.password_file import FileChecker
from mailstack.accounts.passwords import Passwords
from mailstack.accounts.realm import ISubmitter, Realm
from mailstack.accounts.throttle import Throttle
from mailstack.letter.connection import HostPort
from mailstack.protocols.connection import Clock
from mailstack.protocols.sasl import AccountLogin, Authenticator, Credentials, Proof, ScramKeys, Unavailable
from mailstack.protocols.smtp.receiving_rules import ReceivingRules
from mailstack.receiving.mx import MxRules
from mailstack.sandbox.dev.capture_rules import Capture
from mailstack.sandbox.dev.settings import DevSettings


def capture_rules(
    settings: DevSettings, exchange: MxRules, passwords: Passwords, clock: Clock
) -> tuple[ReceivingRules, Authenticator]:
    """Rules and logins of the capture port; without settings it accepts any letter and any login."""
    named = logins(settings.smtp_logins, passwords, clock, ISubmitter)
    if named is None and not settings.allowed_recipients:
        return exchange, Anybody()
    pattern = re.compile(settings.allowed_recipients) if settings.allowed_recipients else None
    return Capture(exchange, login=named is not None, recipients=pattern), named or Anybody()


def logins(
    secrets: Mapping[str, str], passwords: Passwords, clock: Clock, interface: type[Interface]
) -> Authenticator | None:
    """Authenticator of these logins alone; None without logins."""
    if not secrets:
        return None
    portal = Portal(Realm(), [FileChecker(secrets, passwords)])
    return CredAuthenticator(portal, clock, Throttle(clock), (), interface)


class Anybody:
    """A sasl.Authenticator for the capture port: every name and password is right."""

    kinds: frozenset[type[Proof]] = frozenset({Credentials})

    async def login(self, proof: Proof, remote: HostPort) -> AccountLogin:  # noqa: ARG002
        return AccountLogin(proof.username[:320] or "anonymous")

    async def scram_keys(self, username: str) -> ScramKeys:
        """SCRAM's server must know the password, and here is none: it is not offered."""
        raise Unavailable(f"nothing is known of {username[:320]!r}")
