"""Grammar of SMTP commands: verbs, paths, parameters (RFC 5321 §4.1.1, §4.1.2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache, partial

from msgspec import Struct
from msgspec.structs import replace

from mailstack.letter.address import Address, AddressError
from mailstack.protocols.smtp.commands import (
    SMTPUTF8,
    Data,
    Expand,
    Hello,
    Help,
    Mail,
    Noop,
    Parameters,
    Quit,
    Rcpt,
    Reset,
    ServerEvent,
    Verify,
)
from mailstack.protocols.smtp.extensions.extension import Extension, Facts, Parameter, Verb
from mailstack.protocols.smtp.order import LAST_CHUNK, ORDER, RCPT_FIRST, State, Transition
from mailstack.protocols.smtp.replies import (
    NO_COMMAND,
    NO_WEB_SERVER,
    NOT_IMPLEMENTED,
    UNKNOWN_COMMAND,
    Refusal,
    Reply,
    reply,
)

# The argument of EHLO should be a domain or an address literal, but an invalid one is no reason to refuse mail (§4.1.4).
# Parentheses, angle brackets and quotes are excluded because they would break a Received field.
_HELLO = re.compile(r"[!#-'*-;=?-~]{1,255}\Z")
# "<", text in which a quoted string may hold ">", ">"; possessive against backtracking.
_QUOTED_PATH = re.compile(r'<(?:[^">]++|"(?:[^"\\]|\\.)*+")*+>')
# §4.1.2: A-d-l = At-domain *( "," At-domain ); it SHOULD be ignored (appendix C).
_SOURCE_ROUTE = re.compile(r"@[A-Za-z0-9_.-]+(?:,@[A-Za-z0-9_.-]+)*+:")
# §4.1.1.11: esmtp-keyword "=" esmtp-value; values are printable ASCII without "=" and SP.
# "=" within a value is accepted too, for AUTH=<…> and later extensions. Non-ASCII values are checked by the
# parameters that allow them (RFC 6531 §3.4).
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*+)(?:=([!-~\x80-\U0010ffff]++))?\Z")

_MAIL_SYNTAX = reply(501, "5.5.4", "syntax: MAIL FROM:<address> [parameters]")
_RCPT_SYNTAX = reply(501, "5.5.4", "syntax: RCPT TO:<address> [parameters]")
_NO_SENDER_PATH = reply(501, "5.1.7", "the sender must be in angle brackets: MAIL FROM:<address>")
_NO_RECIPIENT_PATH = reply(501, "5.1.3", "the recipient must be in angle brackets: RCPT TO:<address>")
_NULL_RECIPIENT = reply(501, "5.1.3", "the null path <> is not a valid recipient")
# RFC 6531 §3.5: one code for MAIL, another for RCPT.
_SENDER_NOT_ASCII = reply(550, "5.6.7", "an address that is not ASCII needs the SMTPUTF8 parameter")
_NOT_ASCII = reply(553, "5.6.7", "an address that is not ASCII needs the SMTPUTF8 parameter of MAIL")
_VRFY_NOT_ASCII = reply(553, "5.6.7", "a non-ASCII argument needs a final SMTPUTF8 parameter")
_HELLO_SYNTAX = reply(501, "5.5.4", "syntax: EHLO hostname")
_PARAMETER_SYNTAX = reply(501, "5.5.4", "a parameter is KEYWORD or KEYWORD=value")
_PARAMETER_REPEATED = reply(501, "5.5.4", "a parameter is repeated")
_PARAMETERS_EXCLUDE = reply(501, "5.5.4", "two parameters exclude each other")
_PARAMETER_UNKNOWN = reply(555, "5.5.4", "a parameter is not recognized or not offered")
_NO_ARGUMENT = reply(501, "5.5.4", "this command takes no argument")
_ARGUMENT_NEEDED = reply(501, "5.5.4", "this command needs an argument")


class LineLimits(Struct, frozen=True):
    """Maximum lengths of lines, in octets with CRLF."""

    command_line: int = 2048
    """Maximum length of a command (RFC 5321 §4.5.3.1.4: 512, and more for each extension with parameters)."""
    auth_line: int = 12288
    """Maximum length of a line of AUTH (RFC 4954 §4), and of any line."""


_POSTMASTER = Address("postmaster", "")


def _read_hello(argument: str, _facts: Facts, *, extended: bool) -> Hello:
    """§4.1.1.1: EHLO SP ( Domain / address-literal ), HELO SP Domain."""
    if not _HELLO.match(argument):
        raise Refusal(_HELLO_SYNTAX)
    return Hello(argument, extended=extended)


def _read_mail(argument: str, facts: Facts) -> Mail:
    """§4.1.1.2: MAIL FROM:<reverse-path> [SP <mail-parameters>]."""
    parameters = facts.terms.mail
    if argument[:5].upper() != "FROM:":
        raise Refusal(_MAIL_SYNTAX)
    split_path = _split_path(argument[5:])
    if split_path is None:
        raise Refusal(_NO_SENDER_PATH)
    path, parameter_text = split_path
    values = _read_parameters(parameter_text, parameters, facts) if parameter_text else {}
    if not path.isascii() and SMTPUTF8 not in values:
        raise Refusal(_SENDER_NOT_ASCII)
    try:
        sender = _read_path(path) if path else None
    except AddressError as error:
        raise Refusal(reply(501, "5.1.7", f"bad sender address: {_in_ascii(error)}")) from None
    if not parameter_text:
        return Mail(sender, (), None)
    size = values.get("SIZE")
    return Mail(
        sender,
        _relayed_parameters(values, parameters),
        int(size) if size is not None else None,
        values.get("BODY", "7BIT"),
    )


def _read_rcpt(argument: str, facts: Facts) -> Rcpt:
    """§4.1.1.3: RCPT TO:<forward-path> [SP <rcpt-parameters>]."""
    parameters = facts.terms.rcpt
    if argument[:3].upper() != "TO:":
        raise Refusal(_RCPT_SYNTAX)
    split_path = _split_path(argument[3:])
    if split_path is None:
        raise Refusal(_NO_RECIPIENT_PATH)
    path, parameter_text = split_path
    if not path:
        raise Refusal(_NULL_RECIPIENT)
    if not argument.isascii() and (facts.mail is None or not facts.mail.smtputf8):
        raise Refusal(_NOT_ASCII)
    try:
        address = _POSTMASTER if path.lower() == "postmaster" else _read_path(path)
    except AddressError as error:
        raise Refusal(reply(501, "5.1.3", f"bad recipient address: {_in_ascii(error)}")) from None
    if not parameter_text:
        return Rcpt(address)
    return Rcpt(address, _relayed_parameters(_read_parameters(parameter_text, parameters, facts), parameters))


def _split_path(text: str) -> tuple[str, str] | None:
    """Text between the angle brackets, and text after them; None without brackets.

    A blank after the colon is invalid but common, and unambiguous.
    """
    text = text.lstrip(" ")
    if '"' in text:
        match = _QUOTED_PATH.match(text)
        end = match.end() - 1 if match else -1
    else:
        end = text.find(">")
    if end < 0 or text[0] != "<":
        return None
    parameter_text = text[end + 1 :]
    if parameter_text and parameter_text[0] != " ":
        return None
    return text[1:end], parameter_text


def _read_path(path: str) -> Address:
    """Mailbox of a path without its source route; raises AddressError."""
    if path[0] == "@" and (route := _SOURCE_ROUTE.match(path)):
        path = path[route.end() :]
    return Address.parse(path)


def _read_parameters(text: str, parameters: Mapping[str, Parameter], facts: Facts) -> dict[str, str]:
    """Checked values by keyword in upper case; raises Refusal."""
    values: dict[str, str] = {}
    for word in text.split():
        match = _PARAMETER.match(word)
        if match is None:
            raise Refusal(_PARAMETER_SYNTAX)
        keyword = match.group(1).upper()
        parameter = parameters.get(keyword)
        if parameter is None:
            raise Refusal(_PARAMETER_UNKNOWN)
        if keyword in values and not parameter.repeats:
            raise Refusal(_PARAMETER_REPEATED)
        if parameter.excludes in values:
            raise Refusal(_PARAMETERS_EXCLUDE)
        value = match.group(2)
        if value and not value.isascii() and not (parameter.international and value.isprintable()):
            raise Refusal(_PARAMETER_SYNTAX)
        values[keyword] = parameter.read(value, facts)
    return values


def _in_ascii(error: AddressError) -> str:
    return str(error).encode("ascii", "replace").decode()


def _relayed_parameters(values: Mapping[str, str], parameters: Mapping[str, Parameter]) -> Parameters:
    return tuple((keyword, value) for keyword, value in values.items() if parameters[keyword].travels)


def _without_argument(event: ServerEvent) -> Callable[[str, Facts], ServerEvent]:
    def read(argument: str, _facts: Facts) -> ServerEvent:
        if argument:
            raise Refusal(_NO_ARGUMENT)
        return event

    return read


def _verify_reader(event: type[Verify | Expand]) -> Callable[[str, Facts], ServerEvent]:
    def read(argument: str, facts: Facts) -> ServerEvent:
        """RFC 6531 §3.7.4.2: a final SMTPUTF8 allows a non-ASCII argument of VRFY and EXPN."""
        name, _, last = argument.rpartition(" ")
        if last.upper() == SMTPUTF8 and name and SMTPUTF8 in facts.terms.mail:
            argument = name.rstrip(" ")
            if not argument.isprintable():
                raise Refusal(_VRFY_NOT_ASCII)
        elif not argument.isascii():
            raise Refusal(_VRFY_NOT_ASCII)
        if not argument:
            raise Refusal(_ARGUMENT_NEEDED)
        return event(argument)

    return read


_NOOP = Noop()

READERS: Mapping[str, Callable[[str, Facts], ServerEvent]] = {
    "EHLO": partial(_read_hello, extended=True),
    "HELO": partial(_read_hello, extended=False),
    "MAIL": _read_mail,
    "RCPT": _read_rcpt,
    "DATA": _without_argument(Data()),
    "RSET": _without_argument(Reset()),
    "NOOP": lambda _argument, _facts: _NOOP,
    "HELP": lambda argument, _facts: Help(argument),
    "VRFY": _verify_reader(Verify),
    "EXPN": _verify_reader(Expand),
    "QUIT": _without_argument(Quit()),
}
"""Readers of the arguments of RFC 5321 commands; a reader raises Refusal."""

Order = Mapping[State, Mapping[str, Transition]]

# Standard commands that are not implemented (RFC 5321 §4.2.4: 502).
_FOREIGN = frozenset({"ATRN", "BURL", "EHLO", "ETRN", "HELO", "LHLO", "SAML", "SEND", "SOML", "TURN", "XFORWARD"})
# A web page can make a browser connect here; commands in its request body must not be executed.
_HTTP = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PRI", "PUT", "TRACE"})
HELLO = ("EHLO", "HELO", "LHLO")
_WITH_ADDRESS = ("MAIL", "RCPT", "VRFY", "EXPN")


@lru_cache(maxsize=8)
def verb_table(offered: tuple[Extension, ...], *, lmtp: bool) -> tuple[Mapping[str, Verb], Order]:
    """Verbs of RFC 5321 and of the extensions, and their order; with the changes of RFC 2033 §4 for LMTP."""
    verbs = {name: Verb(reader) for name, reader in READERS.items()}
    order = {state: dict(transitions) for state, transitions in ORDER.items()}
    for extension in offered:
        verbs.update(extension.verbs)
        for name, verb in extension.verbs.items():
            for state, transition in verb.transitions.items():
                order[state][name] = transition
    if lmtp:
        verbs["LHLO"] = verbs.pop("EHLO")
        del verbs["HELO"]
        for transitions in order.values():
            if (hello := transitions.pop("EHLO", None)) is not None:
                transitions["LHLO"] = hello
        # §4.2: without a recipient DATA must fail with 503.
        order[State.REFUSED] |= {
            name: replace(order[State.REFUSED][name], reply=RCPT_FIRST) for name in ("DATA", "BDAT", LAST_CHUNK)
        }
    return verbs, order


def unknown_command(name: str, *, lmtp: bool) -> Reply:
    if name in _HTTP:
        return NO_WEB_SERVER
    # RFC 2033 §4.1: the reply to EHLO is 500 in LMTP.
    if name in _FOREIGN and not (lmtp and name in HELLO):
        return NOT_IMPLEMENTED
    return UNKNOWN_COMMAND if name else NO_COMMAND


def may_be_read(name: str, line: bytes) -> bool:
    """Whether a line with non-ASCII octets may be read: a command with an address (RFC 6531)."""
    return name in _WITH_ADDRESS and not any(octet < 0x20 or octet == 0x7F for octet in line)
