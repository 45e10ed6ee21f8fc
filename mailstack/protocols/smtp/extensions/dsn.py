"""DSN (RFC 3461): RET, ENVID, NOTIFY and ORCPT."""

from __future__ import annotations

import re

from mailstack.letter.address import decode_xtext
from mailstack.protocols.smtp.extensions.extension import Extension, Facts, Parameter
from mailstack.protocols.smtp.replies import Refusal, reply

MAX_ENVID = 100
"""Maximum characters of ENVID (RFC 3461 §4.4, §5.4)."""
MAX_ORCPT = 500
"""Maximum characters of ORCPT (RFC 3461 §4.2)."""

_RET = frozenset({"FULL", "HDRS"})
_EVENTS = frozenset({"SUCCESS", "FAILURE", "DELAY"})
# §4.2: addr-type is an atom.
_TYPE = re.compile(r"[A-Za-z0-9!#$%&'*/?^_`{|}~-]{1,64}\Z")
# RFC 6533 §3: utf-8-addr-xtext and utf-8-addr-unitext encode excluded characters as "\x{…}".
_UTF8_ADDRESS = re.compile(
    r"(?:[!-*,-<>-\[\]-~\x80-\U0010ffff]|\\x\{(?:[1-9A-F][0-9A-F]{1,4}|10[0-9A-F]{4})\}|\+[0-9A-F]{2})+\Z"
)

_RET_SYNTAX = reply(501, "5.5.4", "RET takes FULL or HDRS")
_ENVID_SYNTAX = reply(501, "5.5.4", f"ENVID takes 1 to {MAX_ENVID} characters of xtext")
_NOTIFY_SYNTAX = reply(501, "5.5.4", "NOTIFY takes NEVER alone, or some of SUCCESS,FAILURE,DELAY")
_ORCPT_SYNTAX = reply(501, "5.5.4", f"ORCPT takes a type, a semicolon and xtext, {MAX_ORCPT} characters at most")


def _read_ret(value: str | None, _facts: Facts) -> str:
    # §4.3: ret-value = "FULL" / "HDRS"
    ret = (value or "").upper()
    if ret not in _RET:
        raise Refusal(_RET_SYNTAX)
    return ret


def _read_envid(value: str | None, _facts: Facts) -> str:
    # §4.4: xtext of printable characters, relayed and reported unchanged.
    if not value or len(value) > MAX_ENVID or decode_xtext(value) is None:
        raise Refusal(_ENVID_SYNTAX)
    return value


def _read_notify(value: str | None, _facts: Facts) -> str:
    # §4.1: notify-esmtp-value = "NEVER" / 1#notify-list-element
    events = (value or "").upper().split(",")
    if events != ["NEVER"] and not _EVENTS.issuperset(events):
        raise Refusal(_NOTIFY_SYNTAX)
    return ",".join(dict.fromkeys(events))


def _read_orcpt(value: str | None, _facts: Facts) -> str:
    # §4.2: original-recipient-address = addr-type ";" xtext; RFC 6533 §3 has the grammar of "utf-8".
    kind, semicolon, address = (value or "").partition(";")
    valid = bool(value) and len(value or "") <= MAX_ORCPT and bool(semicolon) and _TYPE.match(kind) is not None
    if kind.lower() == "utf-8":
        valid = valid and _UTF8_ADDRESS.match(address) is not None
    else:
        valid = valid and bool(address) and decode_xtext(address) is not None
    if value is None or not valid:
        raise Refusal(_ORCPT_SYNTAX)
    return value


DSN = Extension(
    "DSN",
    mail={"RET": Parameter(_read_ret, travels=True), "ENVID": Parameter(_read_envid, travels=True)},
    rcpt={
        "NOTIFY": Parameter(_read_notify, travels=True),
        "ORCPT": Parameter(_read_orcpt, travels=True, international=True),
    },
)
