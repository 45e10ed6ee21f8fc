"""Parses address lists of From, Sender, To and Cc (RFC 5322 §3.4, §4.4)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import Struct

from mailstack.letter.address import Address, AddressError, parse_domain
from mailstack.letter.charsets import text_of
from mailstack.letter.header import plain

# One token of a field without comments: quoted pair, quoted string, angle brackets, separator, blanks, other text. The
# alternatives are possessive against backtracking; an unclosed quote or bracket is a single token.
_TOKEN = re.compile(
    rb'\\.|"(?:[^"\\]|\\.)*+"|<(?:[^<>"\\]|\\.|"(?:[^"\\]|\\.)*+")*+>|[,;:]|\s++|[^"\\,;:<\s]++|.', re.DOTALL
)
_OUTSIDE_COMMENT = re.compile(rb'\\.|"(?:[^"\\]|\\.)*+"|\(', re.DOTALL)
_INSIDE_COMMENT = re.compile(rb"\\.|[()]", re.DOTALL)
_FOLD = re.compile(rb"\r\n(?=[ \t])")
_BLANKS = re.compile(rb"\s+")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ROUTE = re.compile(rb'@[^:"<>]*+:')
"""Source route before an address (RFC 5322 §4.4)."""
_PLAIN_ESCAPE = re.compile(rb"\\[^<>@,;:\"()\\]")
"""Backslash before an ordinary character, as in a Windows account."""
_ONE_WORD = re.compile(rb'(?:[^\s@"]++|"(?:[^"\\]|\\.)*+")@\S+\Z')
_NO_NAME = re.compile(rb'[@"\\<]')
"""Octets that do not occur in unquoted words of a display name."""
_ATOM = rb"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]++"
_SIMPLE_ITEM = re.compile(
    rb'[ \t]*+(?:((?:%b[ \t]++)*+|"[^"\\\0]*+"[ \t]*+)<(%b@[A-Za-z0-9.-]++)>|(%b@[A-Za-z0-9.-]++))[ \t]*+(?:(,)|\Z)'
    % (_ATOM, _ATOM, _ATOM)
)
"""Item that needs no tokens: an address, or words or a quoted string before one in angle brackets."""
_ATOMS = re.compile(r"[^\s@<>(),;:\\\"\[\]\x00-\x20\x7f]{1,255}\Z")
"""Local part with misplaced dots or beyond the length of RFC 5321, as real senders have."""
_MAX_FIELD = 65536
MAX_AUTHORS_SIZE = 8192
"""Maximum number of octets of all From fields of a letter: some hundred authors."""
_MAX_MAILBOXES = 100_000


class Mailbox(Struct, frozen=True):
    """One item of an address list, in the octets of the field."""

    name: bytes
    """Display name with quotes and encoded words, or the comment; b"" without either."""
    text: bytes
    """Text in place of the address, without a route; may be invalid."""
    is_clear: bool
    """Whether every parser reads the same address."""
    route: bytes = b""
    """Source route without its colon (RFC 5322 §4.4); b"" without one."""

    @property
    def address(self) -> Address | None:
        """The address; None for invalid text."""
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
    """Mailbox with a decoded display name, for pages and searches."""

    name: str
    """Decoded display name; "" without one."""
    address: str
    """Text in place of the address; may be invalid."""


class MailboxGroup(Struct, frozen=True):
    """Group of mailboxes (RFC 5322 §3.4); it may be empty."""

    name: bytes
    """Display name with quotes and encoded words."""
    start: int
    """Index of its first mailbox in the list."""
    end: int
    """Index behind its last mailbox."""


class AddressList(Struct, frozen=True):
    """Mailboxes of one field, including the members of groups."""

    mailboxes: tuple[Mailbox, ...]
    is_whole: bool
    """Whether each item is clear, and none is omitted."""
    groups: tuple[MailboxGroup, ...] = ()
    """Groups in their order, which have no common mailbox; the last may end behind the mailboxes that are listed."""


class Authors(Struct, frozen=True):
    """Addresses in the From or Sender fields of a letter."""

    addresses: tuple[Address, ...]
    """All addresses in the fields, also of a partly invalid field."""
    fields: int
    """Number of these fields."""
    is_whole: bool
    """Whether the fields have only these addresses and their display names."""

    @property
    def trouble(self) -> str:
        """Reason why the authors are uncertain; "" if they are certain."""
        if self.fields != 1:
            return f"{self.fields} From fields" if self.fields else "no From field"
        if not self.is_whole:
            return "From can't be read"
        return "" if self.addresses else "From names no author"


def authors_in(section: Iterable[tuple[bytes, bytes]], field_name: bytes = b"from") -> Authors:
    """Authors in the fields `field_name` of a header section, within MAX_AUTHORS_SIZE octets."""
    found: list[Address] = []
    count, size, is_whole = 0, 0, True
    for name, field in section:
        if name == field_name:
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
    """All addresses of a mailbox list or group; None for an invalid list. `domain` completes a name without one."""
    listed = read_address_list(body)
    if not listed.is_whole:
        return None
    try:
        texts = [mailbox.text.decode("utf-8", "surrogateescape") for mailbox in listed.mailboxes]
        return tuple([Address.parse(f"{text}@{domain}" if domain and "@" not in text else text) for text in texts])
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
    """Decoded display name. Encoded words in quotes violate RFC 2047 §5, but are common."""
    text = text_of(phrase)
    if len(text) > 1 and text.startswith('"') and text.endswith('"'):
        text = text[1:-1]
    return " ".join(plain(_ESCAPE.sub(r"\1", text)).split())


def read_address_list(
    body: bytes, max_mailboxes: int = _MAX_MAILBOXES, *, names_have_commas: bool = False
) -> AddressList:
    """Mailboxes in the body of any field, in linear time, up to a number of them or of groups.

    With `names_have_commas`, words before a comma are part of the next display name: "Smith, John <j@x.test>". In a list
    of recipients they are a separate item.
    """
    text = _FOLD.sub(b"", body[:_MAX_FIELD])
    if len(body) <= _MAX_FIELD and (simple := _simple_list(text, max_mailboxes)) is not None:
        return simple
    text, comments, is_whole = _without_comments(text)
    is_whole = is_whole and len(body) <= _MAX_FIELD and b"\0" not in body  # a NUL ends the text for programs in C
    mailboxes: list[Mailbox] = []
    groups: list[MailboxGroup] = []
    group: tuple[bytes, int] | None = None  # name and start of the open group
    item = _Item(names_have_commas)
    next_comment = 0
    for token in _TOKEN.finditer(text):
        while next_comment < len(comments) and comments[next_comment][0] < token.end():
            item.comment = comments[next_comment][1]
            next_comment += 1
        octets = token[0]
        if octets == b";" or (octets == b"," and not item.has_open_name):
            if item.group is not None:
                group = group or (item.group, len(mailboxes))
            item.end(mailboxes)
            if octets == b";" and group:
                groups.append(MailboxGroup(*group, len(mailboxes)))
                group = None
            if max(len(mailboxes), len(groups)) >= max_mailboxes:
                open_group = [MailboxGroup(*group, len(mailboxes))] if group else []
                return AddressList(tuple(mailboxes[:max_mailboxes]), is_whole=False, groups=(*groups, *open_group))
            item = _Item(names_have_commas)
        else:
            item.add(octets)
    if item.group is not None:
        group = group or (item.group, len(mailboxes))
    item.end(mailboxes)
    if group:
        groups.append(MailboxGroup(*group, len(mailboxes)))
    is_clear = all(mailbox.is_clear for mailbox in mailboxes)
    return AddressList(tuple(mailboxes), is_whole and is_clear, tuple(groups))


def _simple_list(text: bytes, max_mailboxes: int) -> AddressList | None:
    """The list of simple items; None if another is among them."""
    mailboxes: list[Mailbox] = []
    at = 0
    while at < len(text):
        item = _SIMPLE_ITEM.match(text, at)
        if item is None:
            return None
        at = item.end()
        name, bracketed, alone, comma = item.groups()
        mailboxes.append(Mailbox(b" ".join(name.split()) if name else b"", bracketed or alone, is_clear=True))
        if comma and len(mailboxes) >= max_mailboxes:
            return AddressList(tuple(mailboxes), is_whole=False)
    return AddressList(tuple(mailboxes), is_whole=True)


class _Item:
    """Parser of one item of a list, fed with its tokens."""

    def __init__(self, names_have_commas: bool) -> None:
        self.comment = b""
        self.group: bytes | None = None
        """Name of the group that begins here; None without one."""
        self._names_have_commas = names_have_commas
        self._words: list[bytes] = []
        self._bracketed: bytes | None = None
        self._is_clear = True
        self._has_words = False
        self._is_name = True
        """Whether no word so far may be an address."""
        self._has_at = self._has_bracket = False

    @property
    def has_open_name(self) -> bool:
        """Whether a comma now is part of the display name."""
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
        """Take the group name before a colon (§3.4)."""
        self._is_clear = self._is_clear and self._bracketed is None and not self._has_at
        if self._bracketed is None:
            self.group = self._phrase() if self.group is None else self.group
            self._words, self._has_words, self._is_name = [], False, True
        else:
            self._words.append(b":")

    def end(self, mailboxes: list[Mailbox]) -> None:
        """Add the mailbox of the item, if any."""
        phrase = self._phrase()
        self._is_clear = self._is_clear and not (self._has_at and self._has_bracket)
        if self._bracketed is not None:
            text = self._bracketed.strip()
            is_present = bool(text or phrase)
            route = b""
            if found := _ROUTE.match(text):
                route, text = found[0][:-1].rstrip(), text[found.end() :].strip()
            if is_present:
                mailboxes.append(Mailbox(phrase or self.comment, text, self._is_clear, route))
        elif phrase:
            before, _, last = phrase.rpartition(b" ")
            if before and b"@" in last and not _ONE_WORD.match(phrase):
                mailboxes.append(Mailbox(before.rstrip(b","), last, is_clear=False))
            else:
                mailboxes.append(Mailbox(self.comment, phrase, self._is_clear))
        elif not self._is_clear:
            # A group name that may be an address must stay visible as an unclear item.
            mailboxes.append(Mailbox(b"", b"", is_clear=False))

    def _phrase(self) -> bytes:
        return _BLANKS.sub(b" ", b"".join(self._words)).strip()


def _without_comments(text: bytes) -> tuple[bytes, list[tuple[int, bytes]], bool]:
    """The text with a blank for each comment, the comments with the offsets of the blanks, and whether all are closed.

    From the first unclosed comment on, parentheses are text.
    """
    if b"(" not in text:
        return text, [], True
    pieces: list[bytes] = []
    comments: list[tuple[int, bytes]] = []
    at = start = size = 0
    while match := _OUTSIDE_COMMENT.search(text, at):
        at = match.end()
        if match[0] != b"(":
            continue
        end = _comment_end(text, at)
        if end < 0:
            return b"".join([*pieces, text[start:]]), comments, False
        pieces += (text[start : match.start()], b" ")
        size += match.start() - start
        comments.append((size, text[at : end - 1]))
        size += 1
        start = at = end
    return b"".join([*pieces, text[start:]]), comments, True


def _comment_end(text: bytes, at: int) -> int:
    """End of a comment, which may have nested ones (§3.2.2); -1 if unclosed."""
    depth = 1
    while depth:
        match = _INSIDE_COMMENT.search(text, at)
        if match is None:
            return -1
        depth += {b"(": 1, b")": -1}.get(match[0], 0)
        at = match.end()
    return at
