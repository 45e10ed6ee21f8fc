"""Parses address lists of From, Sender, To and Cc (RFC 5322 §3.4, §4.4)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import Struct

from mailstack.letter.address import Address, AddressError, parse_domain
from mailstack.letter.charsets import text_of
from mailstack.letter.header import plain

# One token of a field without its comments: a quoted pair, a quoted string, what stands in angle brackets, a separator,
# blanks, other text. Each alternative is possessive, so that no input makes it try again; a quote or bracket without its
# end is a token of its own.
_TOKEN = re.compile(
    rb'\\.|"(?:[^"\\]|\\.)*+"|<(?:[^<>"\\]|\\.|"(?:[^"\\]|\\.)*+")*+>|[,;:]|\s++|[^"\\,;:<\s]++|.', re.DOTALL
)
_OUTSIDE_COMMENT = re.compile(rb'\\.|"(?:[^"\\]|\\.)*+"|\(', re.DOTALL)
_INSIDE_COMMENT = re.compile(rb"\\.|[()]", re.DOTALL)
_FOLD = re.compile(rb"\r\n(?=[ \t])")
_BLANKS = re.compile(rb"\s+")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ROUTE = re.compile(rb'@[^:"<>]*+:')
"""RFC 5322 §4.4: hosts on the way, before the address."""
_PLAIN_ESCAPE = re.compile(rb"\\[^<>@,;:\"()\\]")
"""A backslash that hides nothing, as in a Windows account."""
_ONE_WORD = re.compile(rb'(?:[^\s@"]++|"(?:[^"\\]|\\.)*+")@\S+\Z')
_NO_NAME = re.compile(rb'[@"\\<]')
"""An octet that unquoted words of a display name don't have."""
_ATOMS = re.compile(r"[^\s@<>(),;:\\\"\[\]\x00-\x20\x7f]{1,255}\Z")
"""A local part with its dots where RFC 5321 wants none, or longer than it allows. Real senders have such addresses."""
_MAX_FIELD = 65536
MAX_AUTHORS_SIZE = 8192
"""Maximum number of octets of all From fields of a letter: some hundred authors."""
_MAX_MAILBOXES = 100_000


class Mailbox(Struct, frozen=True):
    """One item of an address list, in the octets of the field."""

    name: bytes
    """Display name with its quotes and encoded words, or else the comment; b"" for none."""
    text: bytes
    """Text where the address belongs, without a route. It may be no address."""
    is_clear: bool
    """Whether no other reader can take it for another address than this one."""

    @property
    def address(self) -> Address | None:
        """The address; None when it is none."""
        text = self.text.decode("utf-8", "surrogateescape")
        try:
            return Address.parse(text)
        except AddressError:
            local, _, domain = text.partition("@")
        try:
            return Address(local, parse_domain(domain)) if _ATOMS.match(local) and local.isprintable() else None
        except AddressError:
            return None


class Correspondent(Struct, frozen=True):
    """Mailbox with a display name that people can read, as pages and searches show it."""

    name: str
    """Decoded display name; "" for none."""
    address: str
    """Text where the address belongs. It may be no address."""


class AddressList(Struct, frozen=True):
    """The mailboxes of one field, those in groups among them."""

    mailboxes: tuple[Mailbox, ...]
    is_whole: bool
    """Whether each item is clear, and none is left out."""


class Authors(Struct, frozen=True):
    """The mailboxes that the From fields of a letter name, or its Sender fields."""

    addresses: tuple[Address, ...]
    """Every address that stands there, whether the rest can be read or not."""
    fields: int
    """Number of these fields."""
    is_whole: bool
    """Whether nothing else stands there than these addresses and their display names."""

    @property
    def trouble(self) -> str:
        """Reason why the authors are not certain; "" when they are."""
        if self.fields != 1:
            return f"{self.fields} From fields" if self.fields else "no From field"
        if not self.is_whole:
            return "From can't be read"
        return "" if self.addresses else "From names no author"


def authors_in(section: Iterable[tuple[bytes, bytes]], wanted: bytes = b"from") -> Authors:
    """The authors of a letter by its header section, or the mailboxes of its Sender if that is wanted.

    No more than MAX_AUTHORS_SIZE octets are read.
    """
    found: list[Address] = []
    count, size, is_whole = 0, 0, True
    for name, field in section:
        if name == wanted:
            count += 1
            size += len(field)
            if size > MAX_AUTHORS_SIZE:
                is_whole = False
                continue
            listed = read_address_list(field.partition(b":")[2], names_have_commas=True)
            addresses = [mailbox.address for mailbox in listed.mailboxes]
            found += [address for address in addresses if address is not None]
            is_whole = is_whole and listed.is_whole and None not in addresses
    return Authors(tuple(found), count, is_whole)


def addresses_in(body: bytes, domain: str = "") -> tuple[Address, ...] | None:
    """Every address of a mailbox list or group; None when a part of it is no address, or it is not to be read.

    A name without a domain is completed with `domain`, if that is given.
    """
    listed = read_address_list(body)
    if not listed.is_whole:
        return None
    try:
        return tuple([_completed(each.text.decode("utf-8", "surrogateescape"), domain) for each in listed.mailboxes])
    except AddressError:
        return None


def correspondents(
    body: bytes, max_count: int = _MAX_MAILBOXES, *, are_authors: bool = False
) -> tuple[Correspondent, ...]:
    """Mailboxes in the body of a field, in order, with the members of groups. Authors are read as `authors_in` does."""
    found = read_address_list(body, max_count, names_have_commas=are_authors).mailboxes
    return tuple(
        [Correspondent(_display_name(each.name), text_of(each.text)) for each in found if each.name or each.text]
    )


def _display_name(phrase: bytes) -> str:
    """Decoded display name. Encoded words stand in quotes against RFC 2047 §5, and often."""
    text = text_of(phrase)
    if len(text) > 1 and text.startswith('"') and text.endswith('"'):
        text = text[1:-1]
    return " ".join(plain(_ESCAPE.sub(r"\1", text)).split())


def read_address_list(
    body: bytes, max_mailboxes: int = _MAX_MAILBOXES, *, names_have_commas: bool = False
) -> AddressList:
    """The mailboxes in the body of a field, whatever it is; takes time in proportion to its length.

    With `names_have_commas`, words before a comma are a part of the display name that follows: "Smith, John <j@x.test>".
    In a list of recipients they are a name of their own.
    """
    text, comments, is_whole = _without_comments(_FOLD.sub(b"", body[:_MAX_FIELD]))
    is_whole = is_whole and len(body) <= _MAX_FIELD and b"\0" not in body  # where programs in C stop reading
    found: list[Mailbox] = []
    item = _Item(names_have_commas)
    next_comment = 0
    for token in _TOKEN.finditer(text):
        while next_comment < len(comments) and comments[next_comment][0] < token.end():
            item.comment = comments[next_comment][1]
            next_comment += 1
        octets = token[0]
        if octets == b";" or (octets == b"," and not item.goes_on):
            item.end(found)
            if len(found) >= max_mailboxes:
                return AddressList(tuple(found[:max_mailboxes]), is_whole=False)
            item = _Item(names_have_commas)
        else:
            item.add(octets)
    item.end(found)
    return AddressList(tuple(found), is_whole and all(each.is_clear for each in found))


class _Item:
    """One item of a list while its tokens come."""

    def __init__(self, names_have_commas: bool) -> None:
        self.comment = b""
        self._names_have_commas = names_have_commas
        self._words: list[bytes] = []
        self._bracketed: bytes | None = None
        self._is_clear = True
        self._has_words = False
        self._is_name = True
        """Whether no word so far can be an address."""
        self._has_at = self._has_bracket = False

    @property
    def goes_on(self) -> bool:
        """Whether a comma that comes now is part of the display name."""
        return self._names_have_commas and self._has_words and self._is_name and self._bracketed is None

    def add(self, token: bytes) -> None:
        if token == b":":
            self._end_group_name()
        elif token.startswith(b"<") and len(token) > 1:
            self._is_clear = self._is_clear and self._bracketed is None
            self._bracketed = token[1:-1]
        else:
            has_at = b"@" in token
            escapes = token.startswith(b"\\") and not _PLAIN_ESCAPE.match(token)
            if (has_at and self._bracketed is not None) or escapes or token in {b'"', b"<"}:
                self._is_clear = False
            self._has_words = self._has_words or not token.isspace()
            self._is_name = self._is_name and not _NO_NAME.search(token)
            self._has_at = self._has_at or has_at
            self._has_bracket = self._has_bracket or b">" in token.partition(b'"')[0]
            self._words.append(token)

    def _end_group_name(self) -> None:
        """What stood before the colon names a group (§3.4), and is no address."""
        self._is_clear = self._is_clear and self._bracketed is None and not self._has_at
        if self._bracketed is None:
            self._words, self._has_words, self._is_name = [], False, True
        else:
            self._words.append(b":")

    def end(self, found: list[Mailbox]) -> None:
        """Add the mailbox, if there is any."""
        phrase = _BLANKS.sub(b" ", b"".join(self._words)).strip()
        self._is_clear = self._is_clear and not (self._has_at and self._has_bracket)
        if self._bracketed is not None:
            text = self._bracketed.strip()
            is_there = bool(text or phrase)
            if route := _ROUTE.match(text):
                text = text[route.end() :].strip()
            if is_there:
                found.append(Mailbox(phrase or self.comment, text, self._is_clear))
        elif phrase:
            before, _, last = phrase.rpartition(b" ")
            if before and b"@" in last and not _ONE_WORD.match(phrase):
                found.append(Mailbox(before.rstrip(b","), last, is_clear=False))
            else:
                found.append(Mailbox(self.comment, phrase, self._is_clear))
        elif not self._is_clear:
            # A group's name that might be an address must not vanish: nothing else would tell that it was there.
            found.append(Mailbox(b"", b"", is_clear=False))


def _completed(text: str, domain: str) -> Address:
    """Raises AddressError."""
    return Address.parse(f"{text}@{domain}" if domain and "@" not in text else text)


def _without_comments(text: bytes) -> tuple[bytes, list[tuple[int, bytes]], bool]:
    """The text with a blank for each comment; the comments, and where these blanks are; whether each comment ends.

    From one on that does not end, parentheses are text.
    """
    kept: list[bytes] = []
    comments: list[tuple[int, bytes]] = []
    at = start = size = 0
    while found := _OUTSIDE_COMMENT.search(text, at):
        at = found.end()
        if found[0] != b"(":
            continue
        end = _comment_end(text, at)
        if end < 0:
            return b"".join([*kept, text[start:]]), comments, False
        kept += (text[start : found.start()], b" ")
        size += found.start() - start
        comments.append((size, text[at : end - 1]))
        size += 1
        start = at = end
    return b"".join([*kept, text[start:]]), comments, True


def _comment_end(text: bytes, at: int) -> int:
    """Where the comment ends, which may have others in it (§3.2.2); -1 when it does not."""
    depth = 1
    while depth:
        found = _INSIDE_COMMENT.search(text, at)
        if found is None:
            return -1
        depth += {b"(": 1, b")": -1}.get(found[0], 0)
        at = found.end()
    return at
