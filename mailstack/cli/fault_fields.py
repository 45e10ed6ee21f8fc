"""Fields and steps of `mailstack fault add`: help, and the parser of NAME=VALUE."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import click
from msgspec import Struct

from mailstack.cli.output import CommandError


class FaultField(Struct, frozen=True):
    """One field of a rule, as NAME=VALUE."""

    value: str
    """VALUE in the help: a placeholder, an example, or the choices with "|"."""
    meaning: str
    kind: Literal["text", "integer", "number", "flag", "list", "choice"] = "text"

    def parse(self, text: str) -> Any:
        """Raises ValueError with what the field takes."""
        match self.kind:
            case "integer":
                return (
                    int(text)
                    if text.isascii() and text.isdecimal() and len(text) < 16
                    else _fail("a number, such as 2")
                )
            case "number":
                return _number(text)
            case "flag":
                return {"true": True, "false": False}[text] if text in ("true", "false") else _fail("true or false")
            case "list":
                return _list(text)
            case "choice":
                choices = self.value.split("|")
                return text if text in choices else _fail(" or ".join(choices))
        return text


def _fail(wanted: str) -> Any:
    raise ValueError(wanted)


def _number(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    return found if math.isfinite(found) else float(_fail("a number, such as 0.5"))


def _list(text: str) -> list[str]:
    """Words with commas, or a JSON list."""
    if not text.startswith("["):
        return [word.strip() for word in text.split(",")]
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        _fail("words with commas, such as STARTTLS,SIZE")
    return list(found)


STEPS: Mapping[str, str] = {
    "connect": "an SMTP connection, in place of the greeting",
    "ehlo": "EHLO or HELO",
    "starttls": "STARTTLS",
    "auth": "AUTH",
    "mail": "MAIL FROM",
    "rcpt": "RCPT TO, for each recipient",
    "data": "DATA",
    "content": "the content of the message, while it arrives",
    "final": "the final dot, after the whole content",
    "quit": "QUIT",
    "tls": "a TLS handshake",
    "call": "a connection that the server opens to another host",
    "dns": "a DNS lookup",
    "disk": "a write to the store",
    "pop3.connect": "a POP3 connection, in place of the greeting",
    "pop3.any": "every command of POP3",
    "pop3.user": "one command of POP3; also pop3.pass, apop, auth, capa, stls, utf8, lang, stat, list, retr, top, dele, noop,"
    " rset, uidl, quit",
    "imap.connect": "an IMAP connection, in place of the greeting",
    "imap.any": "every command of IMAP",
    "imap.login": "LOGIN and AUTHENTICATE",
    "imap.select": "SELECT and EXAMINE",
    "imap.fetch": "FETCH; also imap.store, search, sort, thread, copy, move, expunge",
    "imap.append": "APPEND and REPLACE, before the message is sent",
    "imap.list": "LIST; also imap.lsub, status, subscribe, create, delete, rename, namespace, quota",
    "imap.noop": "NOOP and CHECK; also imap.capability, id, enable, starttls, compress, logout, and close (UNSELECT, too)",
    "imap.idle": "IDLE, before its continuation request",
    "imap.idling": "the time in IDLE; `delay` is counted from its start",
}
"""Meaning of each step that `at` accepts."""

CONDITIONS: Mapping[str, FaultField] = {
    "at": FaultField("STEP", "the step that fails; required"),
    "server": FaultField("mx.*", "only this server; a pattern of its host name"),
    "service": FaultField(
        "NAME", "only mx, submission, submissions, lmtp, pop3, pop3s, imap, imaps or smtp (the capture port)"
    ),
    "client": FaultField("127.0.0.*", "only this client; at `call`, only this host"),
    "sender": FaultField("'*@a.test'", "only this envelope sender; <> is the null sender"),
    "recipient": FaultField("'*@b.test'", "only this recipient"),
    "account": FaultField("'bob@*'", "only this account of IMAP; at `imap.login`, the name that the client gives"),
    "folder": FaultField("'Sent*'", "only this folder of IMAP: that of the command, else the selected one"),
    "nth": FaultField("N", "only the nth recipient of a message, or the nth such command of a connection", "integer"),
    "name": FaultField(
        "'*.b.test'", "only this name at `dns`, or this operation at `disk`: queue.accept, queue.settle …"
    ),
    "times": FaultField("N", "at most this often", "integer"),
    "after": FaultField("N", "not the first N times", "integer"),
    "every": FaultField("N", "only every nth time", "integer"),
    "probability": FaultField("0.5", "only in this share of the cases", "number"),
    "id": FaultField("ID", "name of the rule; it replaces a rule with this name"),
}
EFFECTS: Mapping[str, FaultField] = {
    "reply": FaultField("'452 4.2.2 full'", "reply in place of the real one; 421 and '* BYE' end the connection"),
    "delay": FaultField("30s", "delay of the step; can be combined with every other effect"),
    "drop": FaultField("before|after", "drop the connection before or after the reply", "choice"),
    "silence": FaultField("true", "stop replying: a half-open connection", "flag"),
    "garbage": FaultField("TEXT", "send this in place of the reply"),
    "greylist": FaultField("5m", "at `rcpt`, refuse new senders for this time"),
    "without": FaultField(
        "STARTTLS,SIZE", "at `ehlo`, `pop3.capa`, `imap.connect` or `imap.login`, do not offer these", "list"
    ),
    "octets": FaultField(
        "N",
        "at `content`, `pop3.retr`, `pop3.top` and `imap.fetch` (its first literal), octets before the fault",
        "integer",
    ),
    "speed": FaultField("N", "at `content` and `imap.fetch`, octets a second", "integer"),
    "sizes": FaultField(
        "0.5", "at `pop3.stat`, `list`, `retr` and `imap.fetch`, factor of the reported sizes", "number"
    ),
    "literals": FaultField("0.5", "at `imap.fetch`, factor of the announced lengths of literals", "number"),
    "untagged": FaultField("'* OK [ALERT] full'", "at a command of IMAP, send this line first, unasked"),
    "exists": FaultField("N", "at a command of IMAP, report so many messages that are not there", "integer"),
    "expunge": FaultField(
        "true", "at `imap.fetch`, `store`, `copy` and `move`, remove the first message just before", "flag"
    ),
    "new_validity": FaultField("true", "at `imap.select`, a new UIDVALIDITY from now on", "flag"),
    "tls": FaultField("refused|expired|self-signed|wrong-name", "at `tls`, failure or invalid certificate", "choice"),
    "answer": FaultField("servfail|nxdomain|nodata|timeout", "at `dns`, result of the lookup", "choice"),
    "error": FaultField("failed|full", "at `disk`, error of the write", "choice"),
}
FIELDS = {**CONDITIONS, **EFFECTS}


def parse_rule(settings: Iterable[str]) -> dict[str, Any]:
    """Rule of NAME=VALUE words. Raises CommandError that names the word."""
    rule: dict[str, Any] = {}
    for each in settings:
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise CommandError(f"{each}: expected NAME=VALUE, such as at=rcpt")
        if name not in FIELDS:
            similar = difflib.get_close_matches(name, FIELDS, n=1)
            hint = f"did you mean {similar[0]}=?" if similar else "`mailstack fault add --help` lists the fields"
            raise CommandError(f"{each}: there is no field {name!r}; {hint}")
        if name in rule:
            raise CommandError(f"{each}: {name}= is given twice")
        try:
            rule[name] = FIELDS[name].parse(value)
        except ValueError as error:
            raise CommandError(f"{each}: expected {error}") from None
    if "at" not in rule:
        raise CommandError(
            "no step is given; add at=STEP, such as at=rcpt (`mailstack fault add --help` lists the steps)"
        )
    if rule["at"] not in STEPS and not str(rule["at"]).startswith(("pop3.", "imap.")):
        similar = difflib.get_close_matches(str(rule["at"]), STEPS, n=1)
        hint = f"did you mean at={similar[0]}?" if similar else f"use one of {', '.join(STEPS)}"
        raise CommandError(f"at={rule['at']}: there is no such step; {hint}")
    return rule


class FaultCommand(click.Command):
    """Command with the steps and fields in its help."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Steps (at=STEP)"):
            formatter.write_dl(list(STEPS.items()))
        for title, fields in (("Conditions", CONDITIONS), ("Effects", EFFECTS)):
            with formatter.section(title):
                formatter.write_dl([(f"{name}={each.value}", each.meaning) for name, each in fields.items()])
        super().format_options(ctx, formatter)
