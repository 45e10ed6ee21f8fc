"""AUTHORIZATION state: login, delay and maildrop lock (RFC 1939 §4, RFC 2449 §6.5)."""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable

from mailstack.mailbox.pop3.dialogue import Dialogue, SessionEnded
from mailstack.policy.counters import CounterTable, LocalCounterTable
from mailstack.protocols.pop3.commands import Apop, Auth, AuthList, AuthResponse, Pass, Rejected, Stls, User, Utf8
from mailstack.protocols.pop3.responses import Code
from mailstack.protocols.sasl import (
    MECHANISMS,
    AccountLogin,
    Authenticator,
    Cancelled,
    Channel,
    Credentials,
    Denied,
    DigestProof,
    Malformed,
    OpenSession,
    Proof,
    SaslExchange,
    Sessions,
    Unavailable,
    offered,
)
from mailstack.protocols.sasl.cram import fresh_id
from mailstack.store import Maildrop, MaildropInUse, Store, StoreError


class LoginDelay:
    """Time of the last login of each account, for all sessions of a server. Unused without a delay."""

    def __init__(self, seconds: int, now: Callable[[], float], table: CounterTable | None = None) -> None:
        """`seconds` is the minimum from one login to the next; 0 disables it. `now` returns seconds."""
        self.seconds = seconds
        self._now = now
        self._table = table or LocalCounterTable(now)

    def wait(self, account: str) -> float:
        """Returns the seconds until the account may log in; 0 for now."""
        if not self.seconds:
            return 0.0
        with self._table.entry(account) as entry:
            return max(0.0, entry[0] - self._now())

    def logged_in(self, account: str) -> None:
        """Records a login of an account."""
        if self.seconds:
            with self._table.entry(account) as entry:
                entry[0] = self._now() + self.seconds


_log = logging.getLogger(__name__)


class Authorization:
    """Part of a session from the greeting to a locked maildrop."""

    def __init__(
        self,
        dialogue: Dialogue,
        authenticator: Authenticator,
        store: Store,
        *,
        server: str,
        holder: str,
        delay: LoginDelay | None = None,
        sessions: Sessions | None = None,
        log_out: Callable[[], None] = lambda: None,
    ) -> None:
        """`holder` identifies this session in the maildrop's lock. `delay` is shared by all sessions.

        `sessions` registers the login, and calls `log_out` when it becomes invalid; None: no login becomes invalid.
        """
        self._dialogue = dialogue
        self._engine = dialogue.engine
        self._authenticator = authenticator
        self._store = store
        self._server = server
        self._holder = holder
        self._login_delay = delay
        self._failures = 0
        self._sessions = sessions
        self._log_out = log_out
        self._session: OpenSession | None = None
        # APOP needs the password itself, so it is only for accounts with a stored plain password.
        self._stamp = fresh_id(server) if DigestProof in authenticator.kinds else b""
        self._engine.apop = bool(self._stamp)

    def greet(self) -> None:
        """Sends the greeting, with a timestamp if APOP is offered (RFC 1939 §7)."""
        self._dialogue.ok(f"{self._server} POP3 server ready {self._stamp.decode()}".rstrip())

    async def login(self) -> Maildrop:
        """Logs in and locks the maildrop; the reply to the last command is still owed. Raises SessionEnded."""
        name = ""
        while True:
            maildrop: Maildrop | None = None
            event = await self._dialogue.next()
            self._engine.mechanisms = offered(self._authenticator, self._channel())
            match event:
                case User(name):
                    self._dialogue.ok("send PASS")
                case Pass(password):
                    credentials = Credentials(username=name, password=password, mechanism="USER")
                    maildrop = await self._enter(self._login(credentials), name)
                case Apop(user, digest):
                    proof = DigestProof(username=user, mechanism="APOP", challenge=self._stamp, digest=digest)
                    maildrop = await self._enter(self._login(proof), user)
                case Auth(mechanism, initial):
                    maildrop = await self._authenticate(mechanism, initial)
                case AuthList():
                    self._dialogue.send(self._engine.listing("mechanisms follow", self._engine.mechanisms))
                case Stls():
                    await self._dialogue.start_tls()
                case Utf8():
                    self._dialogue.ok("letters come in UTF-8")
                case _:
                    self._dialogue.answer_common(event)
            if maildrop is not None:
                return maildrop

    def close(self) -> None:
        """Releases the login at the end of the session."""
        if self._session is not None:
            self._session.close()

    def _channel(self) -> Channel:
        return self._dialogue.channel(self._server)

    def _login(self, proof: Proof) -> Awaitable[AccountLogin]:
        return self._authenticator.login(proof, self._dialogue.remote)

    async def _authenticate(self, mechanism: str, initial: bytes | None) -> Maildrop | None:
        """AUTH (RFC 5034 §4)."""
        if mechanism not in self._engine.mechanisms:
            self._dialogue.err("unknown mechanism")
            return None
        remote = self._dialogue.remote
        exchange = SaslExchange(mechanism, initial, self._channel(), self._authenticator, remote, self._challenge)
        return await self._enter(MECHANISMS[mechanism].prove(exchange), mechanism)

    async def _challenge(self, challenge: bytes) -> bytes:
        """Returns the response to a challenge. Raises Cancelled, Malformed."""
        self._dialogue.send(self._engine.challenge(challenge))
        event = await self._dialogue.next()
        if isinstance(event, Rejected):
            raise Malformed(event.text)
        assert isinstance(event, AuthResponse), "nothing else follows a challenge"
        if event.response is None:
            raise Cancelled
        return event.response

    async def _enter(self, proving: Awaitable[AccountLogin], login_name: str) -> Maildrop | None:
        """Opens the maildrop; returns None after an error reply (RFC 2449 §8, RFC 3206)."""
        try:
            login = await proving
            account = login.account
            if self._login_delay is not None and (wait := self._login_delay.wait(account)):
                self._dialogue.err(f"log in again in {math.ceil(wait)} seconds", Code.LOGIN_DELAY)
                return None
            maildrop = await self._store.open_maildrop(account, self._holder)
        except Denied as denied:
            await self._deny(login_name, denied)
        except Cancelled:
            self._dialogue.err("authentication cancelled")
        except Malformed as malformed:
            self._dialogue.err(str(malformed) or "the response is malformed")
        except Unavailable:
            self._dialogue.err("logins can't be checked now, try again later", Code.SYS_TEMP)
        except MaildropInUse:
            self._dialogue.err("another session has the maildrop open", Code.IN_USE)
        except StoreError as error:
            self._dialogue.trouble("open a maildrop", error)
        else:
            self._enter_transaction(login)
            return maildrop
        return None

    def _enter_transaction(self, login: AccountLogin) -> None:
        self._engine.logged_in()
        if self._login_delay is not None:
            self._login_delay.logged_in(login.account)
        if self._sessions is not None:
            self._session = self._sessions.open(login, self._log_out)

    async def _deny(self, login_name: str, denied: Denied) -> None:
        """Refuses a login with one text and one delay for every reason (RFC 3206 §5)."""
        why = f": {denied.args[0]}" if denied.args else ""
        _log.info("login (%r) from %s denied%s", login_name[:100], self._dialogue.remote.host, why)
        await self._dialogue.pause(self._dialogue.limits.failure_delay)
        self._dialogue.err(str(Denied()), Code.AUTH)
        self._failures += 1
        if self._failures >= self._dialogue.limits.auth_failures:
            raise SessionEnded
