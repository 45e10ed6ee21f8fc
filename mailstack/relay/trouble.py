"""What a remote host's replies, or its silence, mean: the one place where trouble becomes outcomes.

Ordered by how far the trouble reaches:

    session    a kept connection that died, or TLS that failed: another connection to the same host, no outcome yet
    host       no connection, no greeting, 421, TLS or AUTH missing: the next host; the worst that remains is Deferred
    letter     MAIL, DATA or the final dot refused: every recipient in the transaction
    recipient  RCPT refused: this one
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from mailstack.letter import Deferred, Delivered, Failed, Outcome, Status
from mailstack.protocols.connection import ConnectFailed
from mailstack.protocols.smtp.client_session import Trouble
from mailstack.protocols.smtp.replies import Reply

MOST_TEXT = 500
"""Characters of a host's reply that are kept."""

NO_ANSWER = Status(4, 4, 1)
CONNECTION_LOST = Status(4, 4, 2)
ENCRYPTION_NEEDED = Status(5, 7, 10)

_BEFORE_ANY_LETTER = frozenset({"connect", "greeting", "ehlo"})
_BEFORE_ANY_CONTENT = frozenset({"mail", "rcpt", "data"})

# RFC 3463 subject and detail where the host gives no enhanced status: what the stage lets one say.
_SUBJECTS = {"greeting": (3, 2), "ehlo": (5, 0), "starttls": (7, 5), "auth": (7, 8)}

# These fail by our settings or the host's.
_OURS_TO_MEND = frozenset({"starttls", "auth"})

# 452 is the code for it; 552 is what RFC 821 had, to be taken as 452 (RFC 5321 §4.5.3.1.10).
_TOO_MANY = frozenset({452, 552})

_QUEUED_AS = re.compile(
    r"(?i:\bqueued as |\bid=|\bmessage accepted for delivery \()<?([A-Za-z0-9][A-Za-z0-9._-]{0,79})"
)


# --- session


def is_stale(trouble: Trouble) -> bool:
    """Whether a kept connection had died before it was used again, so that a fresh one may carry the letter safely.

    Not once the final dot may have been sent: the host may have taken the letter (RFC 1047).
    """
    return trouble.stage in _BEFORE_ANY_CONTENT and (trouble.reply is None or trouble.reply.code == 421)


# --- host


def is_down(trouble: ConnectFailed | Trouble) -> bool:
    """Whether the host said nothing at all, so that it is not called again by every letter that comes along."""
    return isinstance(trouble, ConnectFailed) or (trouble.reply is None and trouble.stage in _BEFORE_ANY_LETTER)


def host_trouble(host: str, trouble: ConnectFailed | Trouble, *, must_be_tls: bool = False) -> Deferred | Failed:
    """What it would mean if this were the only host.

    5yz to the greeting or EHLO is permanent (RFC 5321 §3.1, RFC 7504). STARTTLS and AUTH fail by settings
    that somebody will mend, so the letter waits; but `must_be_tls` lets it go back at once (RFC 8689 §4.2.1).
    """
    if must_be_tls and isinstance(trouble, Trouble) and trouble.stage == "starttls" and _is_final(trouble.reply):
        return Failed(ENCRYPTION_NEEDED, f"Encryption needed: {_silence(host, trouble)}", host)
    if isinstance(trouble, ConnectFailed):
        return Deferred(NO_ANSWER, clean(f"{host}: {trouble}"), host)
    if trouble.reply is None:
        status = Status(4, *_SUBJECTS[trouble.stage]) if trouble.stage in _OURS_TO_MEND else CONNECTION_LOST
        return Deferred(status, _silence(host, trouble), host)
    status = status_of(trouble.reply, trouble.stage)
    if trouble.stage in _OURS_TO_MEND or status.kind != 5:
        return Deferred(Status(4, status.subject, status.detail), said(host, trouble.reply), host)
    return Failed(status, said(host, trouble.reply), host)


def all_hosts_trouble(each: Sequence[Deferred | Failed]) -> Deferred | Failed:
    """Every candidate was tried: as long as one of them may come round, the letter waits.

    The best host that had something to say is quoted; "connection refused" only if that is all there was.
    """
    waiting = [outcome for outcome in each if isinstance(outcome, Deferred)]
    told = [outcome for outcome in waiting if outcome.status != NO_ANSWER]
    return (*told, *waiting, *each)[0]


# --- letter


def transaction_trouble(host: str, trouble: Trouble) -> Deferred | Failed:
    """The transaction as a whole ended: for every recipient that had no outcome before."""
    if trouble.reply is not None:
        return refused(host, trouble.reply, trouble.stage)
    return Deferred(CONNECTION_LOST, _silence(host, trouble), host)


# --- recipient


def recipient_outcome(host: str, reply: Reply, extensions: Collection[str] = ()) -> Outcome:
    """The reply that decided about one recipient, by its first digit (RFC 5321 §4.2.1), from a host with `extensions`."""
    if 200 <= reply.code < 300:
        status = reply.status if reply.status is not None and reply.status.kind == 2 else Status(2, 0, 0)
        return Delivered(status, said(host, reply), host, deliver_by="DELIVERBY" in extensions, dsn="DSN" in extensions)
    return refused(host, reply, "rcpt")


def refused(host: str, reply: Reply, stage: str) -> Deferred | Failed:
    """4yz, or a code that has no place here: again later. 5yz: never."""
    status = status_of(reply, stage)
    outcome = Failed if status.kind == 5 else Deferred
    return outcome(status, said(host, reply), host)


def too_many_recipients(reply: Reply) -> bool:
    """Whether this recipient may be taken in the next transaction (RFC 5321 §4.5.3.1.10).

    Only to be asked where other recipients of the same transaction were taken: else 452 and 552 are about space.
    """
    return reply.code in _TOO_MANY and (reply.status is None or reply.status.subject == 5)


# --- texts


def status_of(reply: Reply, stage: str) -> Status:
    """The host's own enhanced status if its class is the code's (RFC 2034 §4), else the most that the stage says.

    Of a reply that means trouble: what isn't 5yz is temporary, whatever it was meant to be.
    """
    kind = 5 if 500 <= reply.code < 600 else 4
    if reply.status is not None and reply.status.kind == kind:
        return reply.status
    return Status(kind, *_SUBJECTS.get(stage, (0, 0)))


def said(host: str, reply: Reply) -> str:
    """What the host said, as bounces and the queue show it: `mx.elsewhere.test said: 550 5.1.1 …`."""
    return clean(f"{host} said: {reply}")


def queued_as(reply: Reply) -> str | None:
    """The id that the other host gave the letter, for who follows it there; None when it tells none."""
    found = _QUEUED_AS.search(reply.text[:MOST_TEXT])
    return found[1] if found else None


def clean(text: str) -> str:
    """Cut, and printable ASCII only: it was written by a stranger, and will stand in logs, terminals and reports."""
    cut = text if len(text) <= MOST_TEXT else text[: MOST_TEXT - 4] + " ..."
    if cut.isascii() and cut.isprintable():
        return cut
    return "".join(character if " " <= character <= "~" else "?" for character in cut.replace("\n", " / "))


def _is_final(reply: Reply | None) -> bool:
    return reply is None or 500 <= reply.code < 600


def _silence(host: str, trouble: Trouble) -> str:
    text = f"{host}: {trouble.reason or 'the connection was lost'} (at {trouble.stage})"
    if trouble.stage == "final":
        text += "; the letter may have been taken all the same"
    return clean(text)
