"""SMTP client session: hello, TLS, AUTH, letters, QUIT (RFC 5321 §3)."""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Sequence

from mailstack.letter import Content, Envelope, Recipient
from mailstack.protocols.connection import Dane, Peer
from mailstack.protocols.sasl.client import (
    ClientMechanism,
    Derive,
    ServerNotTrusted,
    choose,
    choose_bearer,
    derive_here,
)
from mailstack.protocols.smtp.client import (
    MAX_DIALOGUE_LINES,
    ClientDialogue,
    ClientEngine,
    ClientEvent,
    SmtpSessionError,
    Stage,
    Timeouts,
)
from mailstack.protocols.smtp.extensions.limits import NO_LIMITS, HostLimits
from mailstack.protocols.smtp.outgoing import OutgoingTransaction, prepare
from mailstack.protocols.smtp.replies import Reply, reply

__all__ = ["SmtpClientSession", "SmtpSessionError", "Stage", "Timeouts"]


class SmtpClientSession(ClientDialogue):
    """One connection to another host, for any number of letters in sequence."""

    def __init__(
        self,
        peer: Peer[ClientEvent],
        engine: ClientEngine,
        hostname: str,
        timeouts: Timeouts = Timeouts(),
        *,
        lmtp: bool = False,
    ) -> None:
        """`engine` is the engine of `peer`; `hostname` is the name in EHLO. `lmtp` selects RFC 2033."""
        super().__init__(peer, engine, timeouts)
        self.limits = NO_LIMITS
        """Limits of one session that the host announces (RFC 9422)."""
        self.transactions = 0
        """Number of transactions started, which a host may limit (RFC 9422)."""
        self._hostname = hostname
        self._lmtp = lmtp
        self._reset_first = False
        self._authenticated = False

    @property
    def extensions(self) -> dict[str, str]:
        """Extensions that the host offers now: keyword in upper case and its parameters."""
        return self._engine.extensions

    # --- before the letters

    async def open(self) -> None:
        """Receive the greeting and send EHLO, or HELO to a host without EHLO (§3.1, §3.2). Raises SmtpSessionError."""
        greeting = await self.reply("greeting", self.timeouts.greeting)
        if greeting.code != 220:
            raise SmtpSessionError("greeting", greeting, "the host rejects the connection")
        await self._hello()

    async def start_tls(self, server_name: str | None, *, verify: bool, dane: Dane | None = None) -> None:
        """Send STARTTLS, do the handshake and send EHLO again (RFC 3207 §4). Raises SmtpSessionError."""
        if "STARTTLS" not in self.extensions:
            raise SmtpSessionError("starttls", None, "the host does not offer STARTTLS")
        self.send_commands("STARTTLS")
        ready = await self.reply("starttls", self.timeouts.hello)
        if ready.code != 220:
            raise SmtpSessionError("starttls", ready, "the host refuses STARTTLS")
        if not await self._peer.start_tls(server_name, verify=verify, dane=dane):
            failed = f"the TLS handshake failed: {self._peer.tls_failure}"
            raise SmtpSessionError("starttls", None, failed, self._peer.tls_fault)
        self.record("-- TLS")
        await self._hello()

    async def authenticate(
        self, username: str, password: str, *, allow_clear: bool = False, derive: Derive = derive_here
    ) -> None:
        """AUTH by SCRAM, or by PLAIN or LOGIN if the host does not offer it (RFC 4954). Raises SmtpSessionError.

        Without TLS no password is sent unless `allow_clear`. `derive` computes the salted password of SCRAM.
        """
        if self._peer.tls is None and not allow_clear:
            raise SmtpSessionError("auth", None, "a password is not sent without TLS")
        offered = self.extensions.get("AUTH", "").upper().split()
        await self._prove(choose(offered, username, password, self._peer.channel_binding, derive))

    async def authenticate_by_token(self, username: str, token: str) -> None:
        """AUTH by a bearer token (RFC 7628), under TLS only. Raises SmtpSessionError."""
        if self._peer.tls is None:
            raise SmtpSessionError("auth", None, "a token is not sent without TLS")
        offered = self.extensions.get("AUTH", "").upper().split()
        await self._prove(choose_bearer(offered, username, token))

    async def _prove(self, exchange: ClientMechanism | None) -> None:
        if exchange is None:
            raise SmtpSessionError("auth", None, "the host offers no supported AUTH mechanism")
        self.send_commands(
            f"AUTH {exchange.name}", secret="" if exchange.initial is None else _base64(exchange.initial)
        )
        answer = await self.reply("auth", self.timeouts.hello)
        while answer.code == 334:
            try:
                response = await exchange.respond(_challenge(answer))
            except ServerNotTrusted as error:
                self.send_commands("*")
                await self.reply("auth", self.timeouts.hello)
                raise SmtpSessionError("auth", None, str(error)) from None
            self.send_commands(secret=_base64(response))
            answer = await self.reply("auth", self.timeouts.hello)
        if answer.code != 235:
            raise SmtpSessionError("auth", answer, "the host refuses the credentials")
        if not exchange.trusts:
            raise SmtpSessionError("auth", None, "the host did not prove that it knows the password")
        self._authenticated = True

    async def _hello(self) -> None:
        self.send_commands(f"{'LHLO' if self._lmtp else 'EHLO'} {self._hostname}")
        answer = await self.reply("ehlo", self.timeouts.hello)
        if answer.code in (500, 502, 504) and not self._lmtp:
            self.send_commands(f"HELO {self._hostname}")
            answer = await self.reply("ehlo", self.timeouts.hello)
        if answer.code != 250:
            raise SmtpSessionError("ehlo", answer, "the host refuses EHLO")
        self.limits = HostLimits.parse(self.extensions.get("LIMITS", ""))

    # --- letters

    async def transact(
        self, envelope: Envelope, recipients: Sequence[Recipient], content: Content
    ) -> tuple[Reply, ...]:
        """Send one letter to some of its recipients (§3.3); returns the deciding reply for each.

        That is the refusal of its RCPT, of MAIL or of DATA, or the reply to the final dot. Raises SmtpSessionError for a
        failed connection or a 421. Stage "final" means that the host may have accepted the letter.
        """
        # RFC 4954 §5: AUTH=<> vouches for no sender. AUTH= of a client is never relayed.
        vouch = not self._authenticated
        letter = await prepare(self.extensions, envelope, recipients, content, vouch=vouch)
        self._lines_left = MAX_DIALOGUE_LINES
        self.is_behind_dot = False
        self.transactions += 1
        for refusal in letter.refusals:
            self.record(f"-- not tried: {refusal}")
        return letter.replies(await self._carry(letter) if letter.rcpts else ())

    async def _carry(self, letter: OutgoingTransaction) -> Sequence[Reply]:
        """Replies of the host for the recipients in `letter.rcpts`."""
        if "PIPELINING" in self.extensions:
            replies, started = await self._start_pipelined(letter)
        else:
            replies, started = await self._start_stepwise(letter)
        if started is None:
            self._reset_first = True
            return [reply for reply in replies if reply is not None]
        await letter.transfer.send(self, letter.content if None in replies else None)
        finals = await self._finals(replies.count(None))
        self.is_behind_dot = False
        self._reset_first = letter.transfer.leaves_open(finals)
        return [reply or finals.popleft() for reply in replies]

    async def _start_pipelined(self, letter: OutgoingTransaction) -> tuple[list[Reply | None], Reply | None]:
        """Like `_start_stepwise`, with MAIL, RCPT and DATA in one group (RFC 2920 §3.1)."""
        self.send_commands(*(["RSET"] if self._reset_first else []), *letter.commands)
        await self._reset_if_needed(is_sent=True)
        mail = await self.reply("mail", self.timeouts.mail)
        replies: list[Reply | None] = []
        for _ in letter.rcpts:
            answer = await self.reply("rcpt", self.timeouts.rcpt)
            replies.append(_refusal(mail) or _refusal(answer))
        return await letter.transfer.start(self, replies)

    async def _start_stepwise(self, letter: OutgoingTransaction) -> tuple[list[Reply | None], Reply | None]:
        """Refusal of each recipient or None, and the reply that requests the content or None."""
        await self._reset_if_needed(is_sent=False)
        self.send_commands(letter.mail)
        mail = await self.reply("mail", self.timeouts.mail)
        if _refusal(mail):
            return [mail] * len(letter.rcpts), None
        replies: list[Reply | None] = []
        for line in letter.rcpts:
            self.send_commands(line)
            replies.append(_refusal(await self.reply("rcpt", self.timeouts.rcpt)))
        if None not in replies:
            return replies, None
        for command in letter.transfer.commands:
            self.send_commands(command)
        return await letter.transfer.start(self, replies)

    async def _finals(self, count: int) -> deque[Reply]:
        """Replies to the content for `count` accepted recipients; LMTP has one for each (RFC 2033 §4.2)."""
        if not self._lmtp:
            return deque([await self.reply("final", self.timeouts.final)] * count)
        finals: deque[Reply] = deque()
        try:
            while len(finals) < count:
                finals.append(await self.reply("final", self.timeouts.final))
        except SmtpSessionError as trouble:
            if not finals:
                raise
            # Recipients with a reply have the letter, so that a retry must omit them.
            unknown = reply(451, "4.4.2", f"no reply for this recipient: {trouble.reason[:200]}")
            finals.extend([trouble.reply or unknown] * (count - len(finals)))
        return finals

    async def _reset_if_needed(self, *, is_sent: bool) -> None:
        """Send RSET if an earlier transaction may still be open, and receive its reply."""
        if self._reset_first:
            if not is_sent:
                self.send_commands("RSET")
            await self.reply("mail", self.timeouts.mail)
            self._reset_first = False


def _refusal(answer: Reply) -> Reply | None:
    """The reply to MAIL or RCPT if it is not 2xx; None for 2xx."""
    return None if 200 <= answer.code < 300 else answer


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")


def _challenge(answer: Reply) -> bytes:
    """Decoded challenge of a 334 reply. Raises ServerNotTrusted."""
    try:
        return base64.b64decode(answer.text, validate=True)
    except ValueError:
        raise ServerNotTrusted("a challenge is not base64") from None
