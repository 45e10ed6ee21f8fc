"""Options and exit codes of the sendmail command."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Mode = Literal["send", "list", "flush", "aliases"]

_EVENTS = frozenset({"SUCCESS", "FAILURE", "DELAY"})
_WITH_VALUE = frozenset("ABCFLNORVXfhopqrb")
"""Options with a value: the remaining characters of the word, or the next argument."""
_IN_ONE_WORD = frozenset("obq")
"""Options of _WITH_VALUE with the value in the same word."""
_LINE_ENDS = frozenset("\r\n\0")
_IGNORED = frozenset("GUemno")
"""Flags that are accepted for compatibility, and ignored."""


class SendmailOptions(Struct):
    """Parsed command line."""

    mode: Mode = "send"
    sender: str | None = None
    """-f, -r: envelope sender as written; "" or "<>" is the null reverse-path."""
    name: str = ""
    """-F: full name for a missing From field."""
    from_header: bool = False
    """-t: the recipients of To, Cc and Bcc are added to those of the command line."""
    dot_ends: bool = True
    """Whether a line with a dot alone ends the letter; not with -i, -oi."""
    notify: str = ""
    """-N: value of NOTIFY."""
    envid: str = ""
    """-V: value of ENVID, in plain text."""
    ret: str = ""
    """-R: value of RET, the part of the letter that a report returns."""
    only: tuple[str, str] | None = None
    """-qI, -qR: retry only this id ("I"), or letters for this domain ("R")."""
    verbose: bool = False
    recipients: tuple[str, ...] = ()


def parse(arguments: list[str]) -> SendmailOptions:
    """Parses a command line. Raises SendmailError with USAGE."""
    if bad := next((each for each in arguments if not _LINE_ENDS.isdisjoint(each)), None):
        # A field of a web form: text after the line break could be read as another address.
        raise SendmailError(USAGE, f"an argument contains a line break: {bad!r:.200}")
    options = SendmailOptions()
    remaining = list(arguments)
    while remaining:
        word = remaining.pop(0)
        if word == "--":
            break
        if not word.startswith("-") or word == "-":
            remaining.insert(0, word)
            break
        _parse_option(options, word[1:], remaining)
    options.recipients = tuple(remaining)
    return options


def _parse_option(options: SendmailOptions, word: str, remaining: list[str]) -> None:
    """Parses one word: several flags, up to an option with a value."""
    while word:
        letter, word = word[0], word[1:]
        if letter in _WITH_VALUE and not (letter == "o" and not word):
            if not word and letter not in _IN_ONE_WORD:
                if not remaining:
                    raise SendmailError(USAGE, f"-{letter} requires a value")
                word = remaining.pop(0)
            _set(options, letter, word)
            return
        _flag(options, letter)


def _flag(options: SendmailOptions, letter: str) -> None:
    if letter == "t":
        options.from_header = True
    elif letter == "i":
        options.dot_ends = False
    elif letter == "v":
        options.verbose = True
    elif letter == "I":
        options.mode = "aliases"
    elif letter not in _IGNORED:
        raise SendmailError(USAGE, f"unknown option -{letter}")


def _set(options: SendmailOptions, letter: str, value: str) -> None:
    if letter in "fr":
        options.sender = value
    elif letter == "F":
        options.name = value
    elif letter == "N":
        options.notify = _notify(value)
    elif letter == "V":
        options.envid = value
    elif letter == "R":
        options.ret = _ret(value)
    elif letter == "b":
        options.mode = _mode(value)
    elif letter == "q":
        options.mode, options.only = "flush", _flushed(value)
    elif letter == "o" and value == "i":
        options.dot_ends = False
    # Other options, such as -om, -odb, -h 5 and -O, have no effect.


def _mode(value: str) -> Mode:
    match value:
        case "m":
            return "send"
        case "p":
            return "list"
        case "i":
            return "aliases"
        case "s" | "d" | "D" | "h" | "H" | "l" | "t" | "v":
            raise SendmailError(USAGE, f"-b{value} is not supported; `mailstack serve` is the SMTP server")
        case _:
            raise SendmailError(USAGE, f"unknown mode -b{value}")


def _notify(value: str) -> str:
    events = value.upper().replace(" ", "").split(",")
    if events != ["NEVER"] and not _EVENTS.issuperset(events):
        raise SendmailError(USAGE, f"-N is never, or a list of success, failure and delay, not {value!r}")
    return ",".join(dict.fromkeys(events))


def _ret(value: str) -> str:
    if value.lower() not in {"full", "hdrs"}:
        raise SendmailError(USAGE, f"-R is full or hdrs, not {value!r}")
    return value.upper()


def _flushed(value: str) -> tuple[str, str] | None:
    """Selection of the queue to retry now; None: all."""
    if not value:
        return None
    if value[0] in "IR" and len(value) > 1:
        return value[0], value[1:]
    raise SendmailError(USAGE, f"-q{value} is not supported; `mailstack serve` retries the queue itself")


OK = 0
USAGE = 64
DATAERR = 65
NOUSER = 67
UNAVAILABLE = 69
NOPERM = 77
TEMPFAIL = 75
CONFIG = 78


class SendmailError(Exception):
    """Error with the exit code of the command; str() is the message."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
