"""Mailpit's options about tags: filters in words and in a file, and where else tags come from."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

from msgspec import Struct

from mailstack.cli.compat.overrides import DevOverrides
from mailstack.cli.compat.yaml_file import read_yaml
from mailstack.cli.errors import CommandError
from mailstack.mailbox.index.query import BadQuery, parse
from mailstack.mailbox.index.tags import TagFilter, Tagging, tag_of

_GROUP = re.compile(r'(?:"[^"]*"?|[^ "])+')
_INVALID = re.compile(r"[^a-zA-Z0-9\- _.@]")
_SOURCES = {
    "x-tags": "x_tags",
    "xtags": "x_tags",
    "plus-addresses": "plus_addresses",
    "plus-addressing": "plus_addresses",
}


class _Filter(Struct, frozen=True):
    match: str = ""
    tags: str = ""


class _File(Struct, frozen=True):
    filters: tuple[_Filter, ...]


def filters(wish: DevOverrides, option: str, value: str) -> None:
    """`tag1,tag2=words`, with spaces between several; quotes hold words together."""
    for group in _GROUP.findall(value):
        tags, equals, match = group.replace('"', "").partition("=")
        if not equals:
            raise CommandError(f"{option}: {group!r} is no filter such as 'spam=subject:offer'")
        _add(wish, option, tags.split(","), match.strip().lower())


def filter_file(wish: DevOverrides, option: str, value: str) -> None:
    """A file with `filters`, each of which has `match` and `tags`."""
    for each in read_yaml(option, value, _File).filters:
        _add(wish, option, each.tags.split(","), each.match.strip())


def disable(wish: DevOverrides, option: str, value: str) -> None:
    """Where tags do not come from."""
    for each in value.lower().split(","):
        if each.strip() not in _SOURCES:
            raise CommandError(f"{option}: {each.strip()!r} is neither x-tags nor plus-addresses")
        wish.tagging[_SOURCES[each.strip()]] = False


def turn_on(field: str, wish: DevOverrides, _option: str, _value: str) -> None:
    wish.tagging[field] = True


def settle(wish: DevOverrides) -> None:
    """What all of them come to."""
    if wish.tag_filters or wish.tagging:
        wish.set(tagging=Tagging(filters=tuple(wish.tag_filters), **wish.tagging))


def _add(wish: DevOverrides, option: str, tags: Sequence[str], match: str) -> None:
    good = tuple(tag for each in tags if (tag := tag_of(_INVALID.sub(" ", each))))
    if not good or not match:
        raise CommandError(
            f"{option}: a filter has at least one tag (letters, digits, - _ . @) and something to look for"
        )
    try:
        terms = parse(match, time.time())
    except BadQuery as error:
        raise CommandError(f"{option}: {match[:100]!r}: {error}") from None
    wish.tag_filters.append(TagFilter(good, terms, match.lower().encode()))
