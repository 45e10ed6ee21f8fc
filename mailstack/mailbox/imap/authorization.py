"""IMAP login: greeting, TLS, and the state before it (RFC 3501 §6.2)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from mailstack.mailbox.imap.capabilities import capabilities_after_login, capabilities_before_login
from mailstack.mailbox.imap.dialogue import REFUSED, CommandRefused, ImapDialogue, refusal
from mailstack.mailbox.imap.service import ImapService
from mailstack.mailbox.login import LoginFailure, LoginRefused, MailboxLogin, SessionEnded
from mailstack.protocols.imap import responses
from mailstack.protocols.imap.commands import (
    Authenticate,
    Capability,
    Id,
    ImapAuthResponse,
    ImapEvent,
    ImapLogin,
    ImapNoop,
    ImapRejected,
    ImapStartTls,
    Logout,
)
from mailstack.protocols.sasl import AccountLogin, Cancelled, Credentials, Malformed

_log = logging.getLogger(__name__)

MAX_LOGGED_ID = 500
"""Maximum characters of a client's ID in the log."""

_REFUSALS = {
    LoginFailure.DENIED: ("AUTHENTICATIONFAILED", "NO"),
    LoginFailure.UNAVAILABLE: ("UNAVAILABLE", "NO"),
    LoginFailure.CANCELLED: ("", "BAD"),
    LoginFailure.MALFORMED: ("", "BAD"),
}
"""Response code and status of failed logins (RFC 5530 §3)."""


class ImapAuthorization:
    """Part of a session from the greeting to the login."""

    def __init__(self, dialogue: ImapDialogue, service: ImapService, log_out: Callable[[], None]) -> None:
        """`log_out` is called when the login becomes invalid."""
        self._dialogue = dialogue
        self._engine = dialogue.engine
        self._service = service
        self._account = ""
        self._login = MailboxLogin(
            dialogue,
            service.limits,
            service.authenticator,
            server=service.hostname,
            sessions=service.sessions,
            log_out=log_out,
        )

    def greet(self) -> None:
        """Sends the greeting with its capabilities (RFC 3501 §7.1)."""
        text = f"{self._service.hostname} IMAP4 server ready"
        self._dialogue.send(self._engine.greeting(text, " ".join(("CAPABILITY", *self._capabilities()))))

    async def login(self) -> str:
        """Returns the account of a successful login. Raises SessionEnded."""
        while not self._account:
            event = await self._dialogue.next()
            if isinstance(event, ImapRejected):
                self._dialogue.reject(event)
                continue
            tag: str = event.tag  # type: ignore[union-attr]
            try:
                await self._answer(event, tag)
            except REFUSED as error:
                self._dialogue.refuse(tag, refusal(error, "log in"))
                if self._login.is_exhausted:
                    self._dialogue.bye("too many failed logins")
                    raise SessionEnded from None
        return self._account

    def close(self) -> None:
        """Releases the login at the end of the session."""
        self._login.close()
        if self._account:
            counts = self._service.open_sessions
            counts[self._account] -= 1
            if not counts[self._account]:
                del counts[self._account]

    async def _answer(self, event: ImapEvent, tag: str) -> None:
        match event:
            case ImapLogin(_, user, password):
                self._check_privacy()
                proof = Credentials(username=user, password=password, mechanism="LOGIN")
                await self._enter(tag, self._login.check(proof), user)
            case Authenticate(_, mechanism, initial):
                await self._authenticate(tag, mechanism, initial)
            case ImapStartTls():
                await self._dialogue.start_tls(tag)
            case Capability():
                self._dialogue.send(responses.words("CAPABILITY", self._capabilities()))
                self._dialogue.ok(tag, "capabilities listed")
            case _:
                answer_anywhere(self._dialogue, self._service, event)

    def _capabilities(self) -> list[str]:
        return capabilities_before_login(
            can_start_tls=self._dialogue.can_start_tls,
            mechanisms=self._login.mechanisms,
            allows_passwords=self._allows_passwords,
        )

    @property
    def _allows_passwords(self) -> bool:
        return self._dialogue.tls is not None or not self._service.require_tls

    def _check_privacy(self) -> None:
        if not self._allows_passwords:
            raise CommandRefused("a password is accepted under TLS only: send STARTTLS first", "PRIVACYREQUIRED")

    async def _authenticate(self, tag: str, mechanism: str, initial: bytes | None) -> None:
        self._check_privacy()
        if mechanism not in self._login.mechanisms:
            raise CommandRefused("unknown authentication mechanism", "CANNOT")
        await self._enter(tag, self._login.exchange(mechanism, initial, self._challenge), mechanism)

    async def _challenge(self, challenge: bytes) -> bytes:
        """Returns the response to a challenge. Raises Cancelled, Malformed."""
        self._dialogue.send(self._engine.challenge(challenge))
        event = await self._dialogue.next()
        if isinstance(event, ImapRejected):
            if event.is_fatal:
                self._dialogue.reject(event)
            raise Malformed(event.text)
        assert isinstance(event, ImapAuthResponse), "nothing else follows a challenge"
        if event.response is None:
            raise Cancelled
        return event.response

    async def _enter(self, tag: str, proving: Awaitable[AccountLogin], login_name: str) -> None:
        """Enters the authenticated state. Raises CommandRefused, StoreError."""
        try:
            login = await self._login.prove(proving, login_name)
        except LoginRefused as refused:
            code, status = _REFUSALS[refused.failure]
            raise CommandRefused(str(refused), code, status=status) from None
        service, account = self._service, login.account
        if service.open_sessions[account] >= service.sessions_per_account:
            raise CommandRefused("the account has too many sessions", "LIMIT")
        await service.folders.prepare(account, service.default_folders, service.clock.now())
        self._account = account
        service.open_sessions[account] += 1
        self._login.open(login)
        self._engine.logged_in(account)
        self._dialogue.timeout = service.limits.idle_timeout
        names = capabilities_after_login(service.limits)
        self._dialogue.ok(tag, "logged in", " ".join(("CAPABILITY", *names)))


def answer_anywhere(dialogue: ImapDialogue, service: ImapService, event: ImapEvent) -> None:
    """Answers a command that is the same in every state. Raises SessionEnded."""
    match event:
        case ImapNoop(tag, name):
            dialogue.ok(tag, f"{name} completed")
        case Id(tag, fields):
            if fields:
                text = " ".join([f"{name}={value!r}" for name, value in fields])
                _log.info("client %s: %.*s", dialogue.remote.host, MAX_LOGGED_ID, text)
            named = {"name": "mailstack"} | ({"version": service.version} if service.version else {})
            dialogue.send(responses.server_id(named))
            dialogue.ok(tag, "ID completed")
        case Logout(tag):
            dialogue.bye("logging out")
            dialogue.ok(tag, "LOGOUT completed")
            raise SessionEnded
        case _:
            raise AssertionError(f"unexpected {type(event).__name__} in this state")
