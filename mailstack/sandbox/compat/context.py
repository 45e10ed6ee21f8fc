"""Context of the compat APIs: letters, accounts and requests of other tools' clients."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from mailstack.accounts.dev_logins import LoginNames
from mailstack.config import SubmissionSettings
from mailstack.letter.envelope import HostPort
from mailstack.letter.parsed import ParsedLetter, Part
from mailstack.mailbox.index.feed import FeedCounters
from mailstack.mailbox.index.indexer import InThread
from mailstack.mailbox.index.items import Item, ItemFilter
from mailstack.mailbox.index.letter_index import LetterIndex
from mailstack.mailbox.index.query import BadQuery, parse
from mailstack.protocols.connection import Clock
from mailstack.relay.external_relay import ExternalRelay
from mailstack.sandbox.faults import Faults
from mailstack.store import Store
from mailstack.web import json_body
from mailstack.web.api.events import StreamLimits
from mailstack.web.checks.links import HeadRequest
from mailstack.web.checks.spam import SpamCheck
from mailstack.web.compose import ComposeLimits
from mailstack.web.http_messages import HttpError, Request, Upgrade
from mailstack.web.letter_reader import LetterReader
from mailstack.web.site import RequestAuthenticator
from mailstack.web.submission import LetterRelease, WebSubmission


class CompatContext(Struct, frozen=True):
    """Letters of one environment, with their submission and release."""

    index: LetterIndex
    clock: Clock
    in_thread: InThread
    capture: WebSubmission
    """Intake of letters that are sent by an API."""
    outward: WebSubmission
    """Intake of letters that are released within this machine."""
    letter_release: LetterRelease | None
    """Relay for released letters, in place of `outward`; None: they stay on this machine."""
    faults: Faults
    head: HeadRequest
    """HTTP status of a URL, for the check of links."""
    stream_limits: StreamLimits
    """Limit of open streams, shared with the server's own API."""
    counters: FeedCounters
    """Counts since the start."""
    senders: RequestAuthenticator | None = None
    """Authenticator of Mailpit's `send`. None: the pages' authenticator."""
    check_spam: SpamCheck | None = None
    """Spam filter; None: there is none."""
    limits: ComposeLimits = ComposeLimits(SubmissionSettings().max_size, SubmissionSettings().max_recipients)
    """Limits of a letter that is written or released by an API."""
    relay: ExternalRelay | None = None
    """Server that `letter_release` relays to."""
    data: Path | None = None
    """Directory of the environment."""

    @property
    def reader(self) -> LetterReader:
        return LetterReader(self.index, self.in_thread)


class CompatAccounts(Struct, frozen=True):
    """Accounts and services of one environment, as GreenMail's API needs them."""

    store: Store
    add: Callable[[str, str], Awaitable[None]]
    """Adds an account with its password. Raises Conflict, AddressError, ValueError."""
    remove: Callable[[str], Awaitable[None]]
    """Removes the account of a key."""
    reset: Callable[[], Awaitable[None]]
    """Restores the initial accounts, and removes all other accounts."""
    services: Callable[[], Mapping[str, HostPort]]
    domain: str
    """Domain of logins without one."""
    names: LoginNames
    """Logins that are no addresses."""
    any_password: bool = False
    preload: Path | None = None
    """Directory of the initial letters."""


T = TypeVar("T")

_OPAQUE = "headers"
"""Field of a body with case-sensitive names of the client."""
_MAX_DEPTH = 10
MAX_VALUES = 50_000
"""Maximum values of a body that is no letter; `[web] max_body` limits its octets."""


def decode_body(request: Request, kind: type[T], max_values: int = MAX_VALUES, limits: str = "") -> T:
    """Decodes a JSON body with names in any case, as Go reads them.

    `kind` has its names in lower case. Raises HttpError 400 and 413 with the reason.
    """
    try:
        return msgspec.convert(_lower_names(json_body.decode(request.body, max_values, limits)), kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise json_body.malformed(error) from None


def form_fields(request: Request) -> dict[str, list[str]] | None:
    """Fields of a form by lower-case name; None for another body.

    Some clients send a form in place of JSON.
    """
    if request.fields.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        return None
    try:
        pairs = parse_qs(request.body.decode("ascii", "replace"), keep_blank_values=True, max_num_fields=10_000)
    except ValueError as error:
        raise HttpError(400, f"The form can't be read: {error}") from None
    return {name.lower(): values for name, values in pairs.items()}


def _lower_names(value: Any, depth: int = 0) -> Any:
    if depth > _MAX_DEPTH:
        raise HttpError(400, "The body is nested too deep.")
    if isinstance(value, dict):
        return {
            name.lower(): each if name.lower() == _OPAQUE else _lower_names(each, depth + 1)
            for name, each in value.items()
        }
    return [_lower_names(each, depth + 1) for each in value] if isinstance(value, list) else value


async def find_letter(index: LetterIndex, letter: str) -> Item:
    """Letter with this id, or the newest for "latest". Raises HttpError 404."""
    await index.up_to_date()
    if letter != "latest":
        item = await index.item(letter)
    else:
        item = next(iter((await index.find(ItemFilter(), 1)).items), None)
    if item is None:
        raise HttpError(404, "Error: message not found")
    return item


def find_part(reading: ParsedLetter, number: str) -> Part:
    """Part with this number that is no multipart. Raises HttpError 404."""
    part = reading.part(number)
    if part is None or part.is_multipart:
        raise HttpError(404, "Error: there is no such part")
    return part


def search_filter(query: str, now: float, zone: str = "") -> ItemFilter:
    """Filter of a search.

    Raises HttpError 400 for an empty or invalid query, and for an unknown time zone.
    """
    if not query.strip():
        raise HttpError(400, "Error: no search query")
    try:
        return ItemFilter(terms=parse(query, now, _time_zone(zone)))
    except BadQuery as error:
        raise HttpError(400, str(error)) from None


def _time_zone(name: str) -> tzinfo:
    """Time zone of this name; UTC without one. Raises HttpError 400."""
    try:
        return ZoneInfo(name) if name else UTC
    except (ValueError, OSError, LookupError):
        raise HttpError(400, f"There is no time zone {name[:60]!r}; write one such as Europe/Berlin") from None


def integer_parameter(request: Request, name: str, default: int) -> int:
    """Integer parameter of the query; other text counts as absent, as for Mailpit."""
    text = request.query.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else default


def upgrade_to_websocket(limits: StreamLimits, request: Request, texts: AsyncGenerator[str, None]) -> Upgrade:
    """Upgrade to a WebSocket that sends texts. Raises HttpError 426, 501 without wsproto, and 503 above the limits."""
    try:
        # Most environments have no such client.
        from mailstack.web.websocket import websocket_upgrade  # noqa: PLC0415
    except ModuleNotFoundError:
        cure = "pip install 'mailstack[websocket]'. The stream /v1/events needs nothing"
        raise HttpError(501, f"WebSockets need wsproto, which is not installed: {cure}.") from None
    limits.check(request)
    return websocket_upgrade(request, limits.limited(request, texts))
