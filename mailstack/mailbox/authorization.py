"""The AUTHORIZATION state: who is there, and the lock on his maildrop (RFC 1939 §4; RFC 5034, RFC 3206)."""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable

from mailstack.mailbox.dialogue import Dialogue, Over
from mailstack.mailbox.login_delay import LoginDelay
from mailstack.pop3.commands import Auth, AuthList, AuthResponse, Pass, Rejected, Stls, User, Utf8
from mailstack.pop3.responses import Code
from mailstack.sasl import MECHANISMS, Authenticator, Challenge, Credentials, Denied, Malformed, Unavailable
from mailstack.store import Maildrop, MaildropInUse, Store, StoreError

_log = logging.getLogger(__name__)


class Authorization:
    """From the greeting to a locked maildrop."""

    def __init__(
        self,
        dialogue: Dialogue,
        authenticator: Authenticator,
        store: Store,
        *,
        pause: Callable[[float], Awaitable[object]],
        holder: str,
        delay: LoginDelay | None = None,
    ) -> None:
        """`holder` names this session, and no other, in the maildrop's lock; `pause` returns after so many seconds."""
        self._dialogue = dialogue
        self._engine = dialogue.engine
        self._authenticator = authenticator
        self._store = store
        self._pause = pause
        self._holder = holder
        self._delay = delay
        self._failures = 0

    async def login(self) -> Maildrop:
        """The maildrop of whoever logs in, locked; the answer to that last command is owed. Raises Over."""
        name = ""
        while True:
            held: Maildrop | None = None
            match await self._dialogue.next():
                case User(name):
                    self._dialogue.ok("send PASS")
                case Pass(password):
                    held = await self._enter(Credentials(name, password, "USER"))
                case Auth(mechanism, initial):
                    held = await self._authenticate(mechanism, initial)
                case AuthList():
                    self._dialogue.send(self._engine.listing("mechanisms follow", self._engine.mechanisms))
                case Stls():
                    await self._dialogue.start_tls()
                case Utf8():
                    self._engine.utf8 = True
                    self._dialogue.ok("letters come in UTF-8")
                case event:
                    self._dialogue.answer_anywhere(event)
            if held is not None:
                return held

    async def _authenticate(self, mechanism: str, initial: bytes | None) -> Maildrop | None:
        """AUTH (RFC 5034 §4)."""
        if mechanism not in self._engine.mechanisms:
            self._dialogue.err("unknown mechanism")
            return None
        exchange = MECHANISMS[mechanism]()
        try:
            step = exchange.begin(initial)
            while isinstance(step, Challenge):
                response = await self._challenge(step)
                if response is None:
                    return None
                step = exchange.respond(response)
        except Malformed as malformed:
            self._dialogue.err(str(malformed) or "the response is malformed")
            return None
        return await self._enter(step)

    async def _challenge(self, challenge: Challenge) -> bytes | None:
        """The response to a challenge; None when there is none, and the client was told so."""
        self._dialogue.send(self._engine.challenge(challenge.octets))
        event = await self._dialogue.next()
        if isinstance(event, Rejected):
            self._dialogue.err(event.text)
            return None
        assert isinstance(event, AuthResponse), "nothing else follows a challenge"
        if event.response is None:
            self._dialogue.err("authentication cancelled")
        return event.response

    async def _enter(self, credentials: Credentials) -> Maildrop | None:
        """The maildrop; None when it is not to be had, and the client was told why (RFC 2449 §8, RFC 3206)."""
        try:
            account = await self._authenticator.login(credentials, self._dialogue.remote)
            if self._delay is not None and (wait := self._delay.wait(account)):
                self._dialogue.err(f"log in again in {math.ceil(wait)} seconds", Code.LOGIN_DELAY)
                return None
            held = await self._store.open_maildrop(account, self._holder)
        except Denied:
            await self._deny(credentials)
        except Unavailable:
            self._dialogue.err("logins can't be checked now, try again later", Code.SYS_TEMP)
        except MaildropInUse:
            self._dialogue.err("another session has the maildrop open", Code.IN_USE)
        except StoreError as error:
            self._dialogue.trouble("open a maildrop", error)
        else:
            self._engine.logged_in()
            if self._delay is not None:
                self._delay.logged_in(account)
            return held
        return None

    async def _deny(self, credentials: Credentials) -> None:
        """The same words for every reason, after the same delay (RFC 3206 §5)."""
        _log.info("login of %r from %s denied", credentials.username[:100], self._dialogue.remote.host)
        await self._pause(self._dialogue.limits.failure_delay)
        self._dialogue.err(str(Denied()), Code.AUTH)
        self._failures += 1
        if self._failures >= self._dialogue.limits.auth_failures:
            raise Over
