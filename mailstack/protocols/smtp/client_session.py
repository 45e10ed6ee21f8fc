"""The sending host's side of a connection, as a conversation that reads like RFC 5321 §3: hello, letters, goodbye."""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from msgspec import Struct

from mailstack.letter import Content, Envelope, Recipient
from mailstack.protocols.connection import Dane, Disconnected, Peer, TimedOut
from mailstack.protocols.dot_stuffing import DotStuffer
from mailstack.protocols.sasl.client import (
    ClientMechanism,
    Derive,
    ServerNotTrusted,
    choose,
    choose_bearer,
    derive_here,
)
from mailstack.protocols.smtp.client import ClientEngine, ClientEvent, Malformed, Received
from mailstack.protocols.smtp.extensions.limits import NO_LIMITS, HostLimits
from mailstack.protocols.smtp.outgoing import OutgoingTransaction, prepare
from mailstack.protocols.smtp.replies import Reply, reply

__all__ = ["SmtpClientSession", "SmtpSessionError", "Stage", "Timeouts"]

Stage = Literal["connect", "greeting", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "final"]
"""How far a session had come."""

LINES = 200
"""Lines of dialogue kept of the opening, and of each transaction."""
WIDTH = 200
"""Characters kept of each."""

BDAT_READY = reply(354, None, "BDAT needs no leave")
"""Stands for the 354 that BDAT has not."""

LEFT_OUT = "(…)"
"""Stands in the dialogue for what must not."""


class Timeouts(Struct, frozen=True):
    """Seconds to wait, by default as RFC 5321 §4.5.3.2 asks."""

    greeting: float = 300.0
    hello: float = 300.0
    """EHLO, HELO, STARTTLS and AUTH; the RFC names no time for them."""
    mail: float = 300.0
    rcpt: float = 300.0
    data_start: float = 120.0
    """For 354."""
    data_block: float = 180.0
    """For the network to take a block of the content."""
    final: float = 600.0
    """For the reply to the final dot: too short a time makes duplicates (RFC 1047)."""
    quit: float = 5.0


class SmtpSessionError(Exception):
    """The session can't go on; the connection is of no more use."""

    def __init__(self, stage: Stage, reply: Reply | None, reason: str, fault: str = "") -> None:
        super().__init__(f"{stage}: {reason}")
        self.stage: Stage = stage
        self.reply = reply
        """What the host said to it; None when it said nothing, or nothing that SMTP knows."""
        self.reason = reason
        """For people."""
        self.fault = fault
        """Of a handshake: what was wrong with the certificate, as `Peer.tls_fault` says it."""


class SmtpClientSession:
    """One connection to another host, over which any number of letters go, one after the other."""

    def __init__(
        self,
        peer: Peer[ClientEvent],
        engine: ClientEngine,
        hostname: str,
        timeouts: Timeouts = Timeouts(),
        *,
        lmtp: bool = False,
    ) -> None:
        """`engine` is the one that `peer` runs; `hostname` is what we call ourselves. `lmtp` speaks RFC 2033."""
        self.dialogue: list[str] = []
        """What was said, a line each, without content and secrets. It only ever grows."""
        self.transactions = 0
        """Letters begun, which a host may limit (RFC 9422)."""
        self.heard = 0
        """Replies that came, and blocks of content that the network took."""
        self.is_behind_dot = False
        """Whether the host may have all of a letter, and has not said what becomes of it."""
        self._abandoned = ""
        self._peer = peer
        self._engine = engine
        self._hostname = hostname
        self._timeouts = timeouts
        self._lmtp = lmtp
        self._room = LINES
        self._reset_first = False
        self._authenticated = False

    @property
    def extensions(self) -> dict[str, str]:
        """What the host offers now: keyword in upper case, and what stood behind it."""
        return self._engine.extensions

    @property
    def limits(self) -> HostLimits:
        """What the host says that it takes in one session (RFC 9422)."""
        said = self._engine.extensions.get("LIMITS")
        return HostLimits.parse(said) if said else NO_LIMITS

    # --- before the letters

    async def open(self) -> None:
        """The greeting, and EHLO, or HELO for a host that doesn't know it (§3.1, §3.2). Raises Trouble."""
        greeting = await self._reply("greeting", self._timeouts.greeting)
        if greeting.code != 220:
            raise SmtpSessionError("greeting", greeting, "the host does not want to talk to us")
        await self._hello()

    async def start_tls(self, server_name: str | None, *, verify: bool, dane: Dane | None = None) -> None:
        """STARTTLS, the handshake, and EHLO again (RFC 3207 §4). Raises Trouble."""
        if "STARTTLS" not in self.extensions:
            raise SmtpSessionError("starttls", None, "the host does not offer STARTTLS")
        self._say("STARTTLS")
        ready = await self._reply("starttls", self._timeouts.hello)
        if ready.code != 220:
            raise SmtpSessionError("starttls", ready, "the host refuses STARTTLS")
        if not await self._peer.start_tls(server_name, verify=verify, dane=dane):
            failed = f"the TLS handshake failed: {self._peer.tls_failure}"
            raise SmtpSessionError("starttls", None, failed, self._peer.tls_fault)
        self._note("-- TLS")
        await self._hello()

    async def authenticate(
        self, username: str, password: str, *, allow_clear: bool = False, derive: Derive = derive_here
    ) -> None:
        """AUTH by SCRAM, or by PLAIN or LOGIN where the host offers no better (RFC 4954). Raises Trouble.

        Without TLS the password stays here unless `allow_clear` says that it may be overheard. `derive` does what SCRAM
        costs.
        """
        if self._peer.tls is None and not allow_clear:
            raise SmtpSessionError("auth", None, "a password is not sent without TLS")
        offered = self.extensions.get("AUTH", "").upper().split()
        await self._prove(choose(offered, username, password, self._peer.channel_binding, derive))

    async def authenticate_by_token(self, username: str, token: str) -> None:
        """AUTH by a bearer token (RFC 7628), which is not sent without TLS. Raises Trouble."""
        if self._peer.tls is None:
            raise SmtpSessionError("auth", None, "a token is not sent without TLS")
        offered = self.extensions.get("AUTH", "").upper().split()
        await self._prove(choose_bearer(offered, username, token))

    async def _prove(self, exchange: ClientMechanism | None) -> None:
        """Raises Trouble."""
        if exchange is None:
            raise SmtpSessionError("auth", None, "the host offers no way of AUTH that we know")
        self._say(f"AUTH {exchange.name}", secret="" if exchange.initial is None else _base64(exchange.initial))
        answer = await self._reply("auth", self._timeouts.hello)
        while answer.code == 334:
            try:
                response = await exchange.respond(_challenge(answer))
            except ServerNotTrusted as suspicious:
                self._say("*")
                await self._reply("auth", self._timeouts.hello)
                raise SmtpSessionError("auth", None, str(suspicious)) from None
            self._say(secret=_base64(response))
            answer = await self._reply("auth", self._timeouts.hello)
        if answer.code != 235:
            raise SmtpSessionError("auth", answer, "the host refuses our credentials")
        if not exchange.trusts:
            raise SmtpSessionError("auth", None, "the host did not prove that it knows the password")
        self._authenticated = True

    async def _hello(self) -> None:
        self._say(f"{'LHLO' if self._lmtp else 'EHLO'} {self._hostname}")
        answer = await self._reply("ehlo", self._timeouts.hello)
        if answer.code in (500, 502, 504) and not self._lmtp:
            self._say(f"HELO {self._hostname}")
            answer = await self._reply("ehlo", self._timeouts.hello)
        if answer.code != 250:
            raise SmtpSessionError("ehlo", answer, "the host refuses our EHLO")

    # --- letters

    async def transact(
        self, envelope: Envelope, recipients: Sequence[Recipient], content: Content
    ) -> tuple[Reply, ...]:
        """Sends one letter to some of its recipients (§3.3): for each of them the reply that decided.

        That is the refusal of its RCPT, or of MAIL or DATA, or the reply to the final dot. Raises Trouble when the
        connection failed before that was known; of 421, which ends the connection, too. Stage "final" means that the
        letter may have been taken all the same.
        """
        # RFC 4954 §5: to whom we logged in, we vouch for nobody; we believe nobody either.
        vouch = not self._authenticated
        letter = await prepare(self.extensions, envelope, recipients, content, vouch=vouch)
        self._room = LINES
        self.is_behind_dot = False
        self.transactions += 1
        for refusal in letter.refusals:
            self._note(f"-- not tried: {refusal}")
        return letter.replies(await self._carry(letter) if letter.rcpts else ())

    async def _carry(self, letter: OutgoingTransaction) -> Sequence[Reply]:
        """The replies for those who are asked for."""
        if "PIPELINING" in self.extensions:
            replies, started = await self._begin_in_one_group(letter)
        else:
            replies, started = await self._begin_step_by_step(letter)
        by_bdat = letter.by_bdat
        if started is None:
            self._reset_first = True
            return [one for one in replies if one is not None]
        await self._send_content(letter.content if None in replies else None, by_bdat=by_bdat)
        finals = await self._finals(replies.count(None))
        self.is_behind_dot = False
        # RFC 3030 §2: what a refused BDAT leaves behind is indeterminate.
        self._reset_first = by_bdat and any(final.code >= 400 for final in finals)
        return [one or finals.popleft() for one in replies]

    async def _begin_in_one_group(self, letter: OutgoingTransaction) -> tuple[list[Reply | None], Reply | None]:
        """MAIL, RCPT and DATA at once (RFC 2920 §3.1); as `_begin_step_by_step`."""
        self._say(*(["RSET"] if self._reset_first else []), *letter.commands)
        await self._reset_if_needed(said=True)
        mail = await self._reply("mail", self._timeouts.mail)
        replies: list[Reply | None] = []
        for _ in letter.rcpts:
            answer = await self._reply("rcpt", self._timeouts.rcpt)
            replies.append(_refusal(mail) or _refusal(answer))
        return await self._started(replies, by_bdat=letter.by_bdat)

    async def _begin_step_by_step(self, letter: OutgoingTransaction) -> tuple[list[Reply | None], Reply | None]:
        """The refusal of each recipient, or None, and the reply 354, or None when no content shall come.

        What goes by BDAT needs no 354; BDAT_READY stands for it.
        """
        await self._reset_if_needed(said=False)
        self._say(letter.mail)
        mail = await self._reply("mail", self._timeouts.mail)
        if _refusal(mail):
            return [mail] * len(letter.rcpts), None
        replies: list[Reply | None] = []
        for line in letter.rcpts:
            self._say(line)
            replies.append(_refusal(await self._reply("rcpt", self._timeouts.rcpt)))
        if None not in replies:
            return replies, None
        if not letter.by_bdat:
            self._say("DATA")
        return await self._started(replies, by_bdat=letter.by_bdat)

    async def _started(self, replies: list[Reply | None], *, by_bdat: bool) -> tuple[list[Reply | None], Reply | None]:
        """The reply to DATA decides for those whose RCPT was taken."""
        if by_bdat:
            return replies, BDAT_READY if None in replies else None
        answer = await self._reply("data", self._timeouts.data_start)
        if answer.code == 354:
            return replies, answer
        if answer.code < 400:
            raise SmtpSessionError("data", answer, "the host answers DATA with neither 354 nor a refusal")
        return [one or answer for one in replies], None

    async def _send_content(self, content: Content | None, *, by_bdat: bool) -> None:
        """The content and what ends it; the dot alone when no recipient was taken (RFC 2920 §3.1)."""
        stuffer = None if by_bdat else DotStuffer()
        waiting = b""
        if content is not None:
            if by_bdat:
                # One chunk for all: the host is asked nothing in between that it has not answered already.
                self._say(f"BDAT {content.size} LAST")
            async for octets in content.chunks():
                if waiting:
                    await self._send_block(waiting)
                waiting = stuffer.feed(octets) if stuffer else octets
        # The final dot goes with the last block: a packet less.
        last = waiting + (stuffer.finish() if stuffer else b"")
        self.is_behind_dot = content is not None
        self._peer.send(last)
        self._note(f"C: ({content.size:,} octets)" if content is not None else "C: .")

    async def _finals(self, taken: int) -> deque[Reply]:
        """The reply to the content, for each recipient whose RCPT was taken; LMTP gives each his own (RFC 2033 §4.2)."""
        if not self._lmtp:
            return deque([await self._reply("final", self._timeouts.final)] * taken)
        finals: deque[Reply] = deque()
        try:
            while len(finals) < taken:
                finals.append(await self._reply("final", self._timeouts.final))
        except SmtpSessionError as trouble:
            if not finals:
                raise
            # Those who were answered have it; the others must not make it theirs a second time.
            unknown = reply(451, "4.4.2", f"no reply for this recipient: {trouble.reason[:200]}")
            finals.extend([trouble.reply or unknown] * (taken - len(finals)))
        return finals

    async def _send_block(self, octets: bytes) -> None:
        self._peer.send(octets)
        if await self._peer.drain(self._timeouts.data_block):
            self.heard += 1
            return
        try:
            # The host may have said why before it hung up.
            answer = await self._reply("data", 0.0)
        except SmtpSessionError as trouble:
            if trouble.reply is not None:
                raise
            raise SmtpSessionError("data", None, "the connection was lost, or stuck, in mid-content") from trouble
        raise SmtpSessionError("data", answer, "the host broke off in mid-content")

    async def _reset_if_needed(self, *, said: bool) -> None:
        """RSET when the host may think that an earlier transaction is still open."""
        if self._reset_first:
            if not said:
                self._say("RSET")
            await self._reply("mail", self._timeouts.mail)
            self._reset_first = False

    def abandon(self, reason: str) -> None:
        """Hang up, as if the host had, for `reason`."""
        self._abandoned = reason
        self._peer.close()

    # --- after them

    async def quit(self) -> None:
        """QUIT, a short wait for its answer, and the connection is closed. Never raises Trouble."""
        try:
            self._say("QUIT")
            event = await self._peer.next_event(self._timeouts.quit)
            if isinstance(event, Received):
                self._note_reply(event.reply)
        finally:
            self._peer.close()

    # --- words

    def _say(self, *lines: str, secret: str = "") -> None:
        """Send commands in one piece; `secret` stands behind the line, or alone, and not in the dialogue."""
        shown: Sequence[str] = lines
        if not lines:
            # The last answer of SCRAM is empty, and is a line all the same.
            shown, lines = [LEFT_OUT], (secret,)
        elif secret:
            shown = [f"{line} {LEFT_OUT}" for line in lines]
            lines = tuple([f"{line} {secret}" for line in lines])
        octets = b"".join([self._engine.command(line) for line in lines])
        for line in shown:
            self._note(f"C: {line}")
        self._peer.send(octets)

    async def _reply(self, stage: Stage, timeout: float) -> Reply:
        """The next reply. Raises Trouble when there is none, or it says that the host hangs up (§3.8: 421)."""
        event = await self._peer.next_event(timeout)
        if isinstance(event, Received):
            answer = event.reply
            self.heard += 1
            self._note_reply(answer)
            if answer.code == 421:
                raise SmtpSessionError(stage, answer, f"the host hangs up: {answer}")
            return answer
        if isinstance(event, Malformed):
            reason = event.reason
        elif isinstance(event, TimedOut):
            reason = f"no answer within {timeout:g} seconds"
        elif self._abandoned:
            reason = self._abandoned
        elif isinstance(event, Disconnected):
            reason = f"the connection was lost: {event.reason}" if event.reason else "the connection was lost"
        else:
            reason = "we are shutting down"
        self._note(f"-- {reason}")
        raise SmtpSessionError(stage, None, reason)

    def _note_reply(self, answer: Reply) -> None:
        if "\n" not in answer.text:
            self._note(_told(answer))
            return
        status = f"{answer.status} " if answer.status else ""
        *lines, last = answer.text.split("\n")
        for line in lines:
            self._note(f"S: {answer.code}-{status}{line}")
        self._note(f"S: {answer.code} {status}{last}")

    def _note(self, line: str) -> None:
        if self._room > 0:
            self._room -= 1
            self.dialogue.append(line if len(line) <= WIDTH else line[: WIDTH - 1] + "…")


@lru_cache(maxsize=256)  # hosts say the same few things all day
def _told(answer: Reply) -> str:
    """A reply of one line as the dialogue shows it."""
    return f"S: {answer.code} {answer.status} {answer.text}" if answer.status else f"S: {answer.code} {answer.text}"


def _refusal(answer: Reply) -> Reply | None:
    """The reply to MAIL or RCPT unless it is positive; a code that has no place there is none of those either."""
    return None if 200 <= answer.code < 300 else answer


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")


def _challenge(answer: Reply) -> bytes:
    """What a 334 asks. Raises Suspicious."""
    try:
        return base64.b64decode(answer.text, validate=True)
    except ValueError:
        raise ServerNotTrusted("a challenge is not base64") from None
