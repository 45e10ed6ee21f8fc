"""Failure policy: outcomes of a remote host's replies, or of its silence.

The errors, by their scope:

    session    an idle connection that was closed, or TLS that failed: another connection to the host, no outcome yet
    host       no connection, no greeting, 421, TLS or AUTH missing: the next host
    letter     MAIL, DATA or the final dot refused: every recipient in the transaction
    recipient  RCPT refused: this one
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from mailstack.letter import Deferred, Delivered, Failed, Outcome, Status
from mailstack.protocols.connection import ConnectFailed
from mailstack.protocols.smtp.client_session import SmtpSessionError
from mailstack.protocols.smtp.replies import Reply

MAX_TEXT = 500
"""Maximum stored characters of a reply."""

NO_ANSWER = Status(4, 4, 1)
CONNECTION_LOST = Status(4, 4, 2)
ENCRYPTION_NEEDED = Status(5, 7, 10)

_BEFORE_ANY_LETTER = frozenset({"connect", "greeting", "ehlo"})
_BEFORE_ANY_CONTENT = frozenset({"mail", "rcpt", "data"})

# RFC 3463 subject and detail by stage, for a reply without an enhanced status.
_SUBJECTS = {"greeting": (3, 2), "ehlo": (5, 0), "starttls": (7, 5), "auth": (7, 8)}

# Stages that fail by settings of this server or of the host.
_REPAIRABLE = frozenset({"starttls", "auth"})

# 452 is the code for it; 552 of RFC 821 counts as 452 (RFC 5321 §4.5.3.1.10).
_TOO_MANY = frozenset({452, 552})

_QUEUED_AS = re.compile(
    r"(?i:\bqueued as |\bid=|\bmessage accepted for delivery \()<?([A-Za-z0-9][A-Za-z0-9._-]{0,79})"
)


# --- session


def is_stale(error: SmtpSessionError) -> bool:
    """Whether an idle connection was closed before its next use, so that a new one may send the letter.

    False once the final dot may have been sent: the host may have accepted the letter (RFC 1047).
    """
    return error.stage in _BEFORE_ANY_CONTENT and (error.reply is None or error.reply.code == 421)


# --- host


def is_down(error: ConnectFailed | SmtpSessionError) -> bool:
    """Whether the host gave no response, so that it gets a back-off."""
    return isinstance(error, ConnectFailed) or (error.reply is None and error.stage in _BEFORE_ANY_LETTER)


def host_trouble(host: str, error: ConnectFailed | SmtpSessionError, *, must_be_tls: bool = False) -> Deferred | Failed:
    """Outcome of an error at a host, if there is no other host.

    5yz at the greeting or EHLO is permanent (RFC 5321 §3.1, RFC 7504). STARTTLS and AUTH fail by settings that can be
    repaired, so the letter waits. With `must_be_tls` it is returned at once (RFC 8689 §4.2.1).
    """
    if must_be_tls and isinstance(error, SmtpSessionError) and error.stage == "starttls" and _is_final(error.reply):
        return Failed(ENCRYPTION_NEEDED, f"Encryption needed: {_no_reply_text(host, error)}", host)
    if isinstance(error, ConnectFailed):
        return Deferred(NO_ANSWER, clean(f"{host}: {error}"), host)
    if error.reply is None:
        status = Status(4, *_SUBJECTS[error.stage]) if error.stage in _REPAIRABLE else CONNECTION_LOST
        return Deferred(status, _no_reply_text(host, error), host)
    status = status_of(error.reply, error.stage)
    if error.stage in _REPAIRABLE or status.kind != 5:
        return Deferred(Status(4, status.subject, status.detail), quoted_reply(host, error.reply), host)
    return Failed(status, quoted_reply(host, error.reply), host)


def all_hosts_trouble(outcomes: Sequence[Deferred | Failed]) -> Deferred | Failed:
    """Outcome after errors at all hosts: the letter waits if one of the errors is temporary.

    The reply of the best host is quoted; "connection refused" only if there was no reply.
    """
    temporary = [outcome for outcome in outcomes if isinstance(outcome, Deferred)]
    replied = [outcome for outcome in temporary if outcome.status != NO_ANSWER]
    return (*replied, *temporary, *outcomes)[0]


# --- letter


def transaction_trouble(host: str, error: SmtpSessionError) -> Deferred | Failed:
    """Outcome of all recipients without one, after the end of the transaction."""
    if error.reply is not None:
        return refused(host, error.reply, error.stage)
    return Deferred(CONNECTION_LOST, _no_reply_text(host, error), host)


# --- recipient


def recipient_outcome(host: str, reply: Reply, extensions: Collection[str] = ()) -> Outcome:
    """Outcome of one recipient by the first digit of the reply (RFC 5321 §4.2.1), from a host with `extensions`."""
    if 200 <= reply.code < 300:
        status = reply.status if reply.status is not None and reply.status.kind == 2 else Status(2, 0, 0)
        return Delivered(
            status, quoted_reply(host, reply), host, deliver_by="DELIVERBY" in extensions, dsn="DSN" in extensions
        )
    return refused(host, reply, "rcpt")


def refused(host: str, reply: Reply, stage: str) -> Deferred | Failed:
    """Outcome of a refusal: 5yz is permanent, every other code temporary."""
    status = status_of(reply, stage)
    outcome = Failed if status.kind == 5 else Deferred
    return outcome(status, quoted_reply(host, reply), host)


def too_many_recipients(reply: Reply) -> bool:
    """Whether the host may accept this recipient in the next transaction (RFC 5321 §4.5.3.1.10).

    Valid only if other recipients of the transaction were accepted: otherwise 452 and 552 mean a full disk.
    """
    return reply.code in _TOO_MANY and (reply.status is None or reply.status.subject == 5)


# --- texts


def status_of(reply: Reply, stage: str) -> Status:
    """Enhanced status of a refusal if its class is that of the code (RFC 2034 §4), otherwise the status of the stage.

    Every code but 5yz is temporary.
    """
    kind = 5 if 500 <= reply.code < 600 else 4
    if reply.status is not None and reply.status.kind == kind:
        return reply.status
    return Status(kind, *_SUBJECTS.get(stage, (0, 0)))


def quoted_reply(host: str, reply: Reply) -> str:
    """Quoted reply for reports and the queue: `mx.elsewhere.test said: 550 5.1.1 …`."""
    return clean(f"{host} said: {reply}")


def queued_as(reply: Reply) -> str | None:
    """Queue id of the letter at the other host, from its reply; None if there is none."""
    found = _QUEUED_AS.search(reply.text[:MAX_TEXT])
    return found[1] if found else None


def clean(text: str) -> str:
    """Truncates untrusted text, and makes it printable ASCII for logs, terminals and reports."""
    cut = text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 4] + " ..."
    if cut.isascii() and cut.isprintable():
        return cut
    return "".join(character if " " <= character <= "~" else "?" for character in cut.replace("\n", " / "))


def _is_final(reply: Reply | None) -> bool:
    return reply is None or 500 <= reply.code < 600


def _no_reply_text(host: str, error: SmtpSessionError) -> str:
    text = f"{host}: {error.reason or 'the connection was lost'} (at {error.stage})"
    if error.stage == "final":
        text += "; the host may have accepted the message"
    return clean(text)
