"""Grammar of login, TLS, ID, ENABLE and quota (RFC 3501 §6.1, §6.2)."""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable

from mailstack.protocols.imap.commands import (
    AnyCommand,
    Authenticate,
    Compress,
    Enable,
    GetQuota,
    GetQuotaRoot,
    Id,
    ImapAuthResponse,
    ImapLogin,
    ImapNoop,
)
from mailstack.protocols.imap.tokenizer import CommandReader, ImapGrammarError

MAX_ID_FIELDS = 30
"""Maximum fields of ID (RFC 2971 §3.3)."""
MAX_EXTENSIONS = 100
"""Maximum names in one ENABLE."""

_BASE64 = re.compile(rb"[A-Za-z0-9+/]*={0,2}")


def bare(command: Callable[[str], AnyCommand]) -> Callable[[CommandReader, str], AnyCommand]:
    """Grammar of a command without arguments."""
    return lambda _reader, tag: command(tag)


def check(_reader: CommandReader, tag: str) -> ImapNoop:
    """CHECK: NOOP of the selected state (RFC 3501 §6.4.1)."""
    return ImapNoop(tag, "CHECK")


def id_(reader: CommandReader, tag: str) -> Id:
    """ID with NIL or pairs of a field and a string or NIL (RFC 2971 §4)."""
    reader.space()
    if _skip_nil(reader):
        return Id(tag)
    reader.expect(b"(")
    fields: list[tuple[str, str | None]] = []
    while not reader.skip(b")"):
        if fields:
            reader.space()
        if len(fields) == MAX_ID_FIELDS:
            raise ImapGrammarError("ID has too many fields")
        field = reader.string("a field").decode("utf-8", "replace")
        reader.space()
        value = None if _skip_nil(reader) else reader.string("a value").decode("utf-8", "replace")
        fields.append((field, value))
    return Id(tag, tuple(fields))


def _skip_nil(reader: CommandReader) -> bool:
    if reader.octets[reader.at : reader.at + 3].upper() != b"NIL":
        return False
    reader.at += 3
    return True


def login(reader: CommandReader, tag: str) -> ImapLogin:
    reader.space()
    user = reader.text("the user name")
    reader.space()
    return ImapLogin(tag, user, reader.text("the password"))


def authenticate(reader: CommandReader, tag: str) -> Authenticate:
    """AUTHENTICATE; "=" is an empty initial response (RFC 4959 §3)."""
    reader.space()
    mechanism = reader.word("a mechanism")
    if not reader.skip_space():
        return Authenticate(tag, mechanism)
    if reader.octets[reader.at :] == b"=":
        reader.at += 1
        return Authenticate(tag, mechanism, b"")
    return Authenticate(tag, mechanism, _base64(reader.match(_BASE64, "an initial response")[0]))


def parse_response(line: bytes) -> ImapAuthResponse:
    """Line of the client in an authentication exchange (RFC 3501 §6.2.2)."""
    return ImapAuthResponse(None if line == b"*" else _base64(line))


def _base64(text: bytes) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        raise ImapGrammarError("the response is not base64") from None


def enable(reader: CommandReader, tag: str) -> Enable:
    """ENABLE with at least one name (RFC 5161 §3.1)."""
    names = []
    reader.space()
    names.append(reader.word("an extension"))
    while reader.skip_space():
        names.append(reader.word("an extension"))
        if len(names) > MAX_EXTENSIONS:
            raise ImapGrammarError("ENABLE has too many names")
    return Enable(tag, tuple(names))


def compress(reader: CommandReader, tag: str) -> Compress:
    reader.space()
    return Compress(tag, reader.word("a mechanism"))


def get_quota(reader: CommandReader, tag: str) -> GetQuota:
    reader.space()
    return GetQuota(tag, reader.text("a quota root"))


def get_quota_root(reader: CommandReader, tag: str) -> GetQuotaRoot:
    reader.space()
    return GetQuotaRoot(tag, reader.folder())
