"""Parser of values in responses, strict and independent of mailstack (RFC 3501 §9): lists, strings, numbers and atoms."""

from __future__ import annotations

import re

_TOKEN = re.compile(
    rb'(?P<open>\()|(?P<close>\))|(?P<blank> )|"(?P<quoted>(?:[^\x00\r\n"\\]|\\["\\])*)"'
    rb'|(?P<literal>~?\{(?P<size>\d+)\}\r\n)|(?P<atom>[^\x00-\x20\x7f-\xff(){"\\%*]+)'
)


def values(octets: bytes, *, utf8: bool = False) -> list:
    """Values on one line without its end; strings are bytes, NIL is None, numbers are int, other atoms are str.

    With `utf8` quoted strings may hold UTF-8.
    """
    stack: list[list] = [[]]
    at = 0
    wants_value = True  # a blank stands between two values, and nowhere else
    while at < len(octets):
        token = _TOKEN.match(octets, at)
        assert token, octets[at : at + 80]
        at = token.end()
        if token["blank"]:
            assert not wants_value, octets[:at]
            wants_value = True
        elif token["close"]:
            assert not wants_value or octets[at - 2 : at] == b"()", octets[:at]
            assert len(stack) > 1
            stack.pop()
            wants_value = False
        else:
            # Bodies of a multipart stand side by side without a blank.
            assert wants_value or (token["open"] and octets[token.start() - 1 :][:1] == b")"), octets[:at]
            if token["open"]:
                inner: list = []
                stack[-1].append(inner)
                stack.append(inner)
            elif token["literal"]:
                size = int(token["size"])
                value = octets[at : at + size]
                assert len(value) == size
                assert token["literal"].startswith(b"~") or b"\0" not in value
                stack[-1].append(value)
                at += size
            elif token["quoted"] is not None:
                assert token["quoted"].isascii() or (utf8 and token["quoted"].decode("utf-8"))
                stack[-1].append(re.sub(rb"\\(.)", rb"\1", token["quoted"]))
            else:
                stack[-1].append(_atom(token["atom"]))
            wants_value = bool(token["open"])
    assert len(stack) == 1
    return stack[0]


def _atom(octets: bytes):
    if octets == b"NIL":
        return None
    return int(octets) if octets.isdigit() else octets.decode("ascii")
