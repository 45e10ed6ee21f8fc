"""Responses without the traces of withheld IMAP extensions."""

from __future__ import annotations

import re

_CAPABILITIES = re.compile(rb"(\* |\[)CAPABILITY ([^\]\r\n]*)")
_DROPPED = {
    "CONDSTORE": re.compile(rb"\* OK \[HIGHESTMODSEQ "),
    "OBJECTID": re.compile(rb"\* OK \[MAILBOXID "),
    "INPROGRESS": re.compile(rb"\* OK \[INPROGRESS"),
}
_CODES = {
    "UIDPLUS": re.compile(rb"\[(?:APPENDUID|COPYUID) [^\]]*\] "),
    "OBJECTID": re.compile(rb"\[MAILBOXID [^\]]*\] "),
}
_ATTRIBUTES = {
    "CHILDREN": re.compile(rb" ?\\Has(?:No)?Children"),
    "SPECIAL-USE": re.compile(rb" ?\\(?:Archive|Drafts|Junk|Sent|Trash)(?=[ )])"),
}
_LIST = re.compile(rb"(\* LIST \()([^)]*\))")


def is_withheld(name: str, withheld: frozenset[str]) -> bool:
    """Whether a name of CAPABILITY is withheld; a limit such as APPENDLIMIT=1000 is known by its name."""
    upper = name.upper()
    return upper in withheld or (upper.startswith("APPENDLIMIT=") and "APPENDLIMIT" in withheld)


def edit_line(line: bytes, withheld: frozenset[str], added: tuple[str, ...] = ()) -> bytes:
    """First line of a response without what withheld extensions add; `added` are further names of CAPABILITY."""
    found = _CAPABILITIES.search(line)
    if found is not None:
        names = [name for name in found[2].decode("ascii").split() if not is_withheld(name, withheld)]
        names += [name for name in added if name not in names]
        return line[: found.start(2)] + " ".join(names).encode("ascii") + line[found.end(2) :]
    for name, pattern in _DROPPED.items():
        if name in withheld and pattern.match(line):
            return b""
    for name, pattern in _CODES.items():
        if name in withheld:
            line = pattern.sub(b"", line, count=1)
    listed = _LIST.match(line)
    if listed is not None:
        attributes = listed[2]
        for name, pattern in _ATTRIBUTES.items():
            if name in withheld:
                attributes = pattern.sub(b"", attributes)
        line = listed[1] + attributes.lstrip(b" ") + line[listed.end() :]
    return line
