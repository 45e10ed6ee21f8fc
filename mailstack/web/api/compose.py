"""Letters that are written by HTTP, and letters that are sent on: both go the way of every letter that a user submits."""

from __future__ import annotations

from msgspec import Struct, field

from mailstack.letter import Address, AddressError
from mailstack.mailbox.index.letter_index import LetterIndex
from mailstack.protocols.smtp.replies import Refusal
from mailstack.receiving.intake import NO_ROOM
from mailstack.web import json_body
from mailstack.web.api.context import ApiContext
from mailstack.web.api.filters import seen_by
from mailstack.web.api.letter_index import ApiShelf
from mailstack.web.compose import Attached, ComposeLimits, Person, Sending, check_count, checked, compose
from mailstack.web.http_values import HttpError, Request, Response, check_is_json, from_json, in_json
from mailstack.web.routes import Route, RouteDoc
from mailstack.web.site import shielded
from mailstack.web.submission import RELEASED, Copied, WebSubmission


class Attachment(Struct, frozen=True, forbid_unknown_fields=True):
    """A file to be sent."""

    name: str
    content: str
    """In base64."""
    type: str = ""
    content_id: str = ""


class Written(Struct, frozen=True, forbid_unknown_fields=True):
    """A letter to be sent. Addresses are bare, as carol@elsewhere.test."""

    author: str = field(name="from")
    to: list[str] = field(default_factory=list)
    cc: list[str] = field(default_factory=list)
    bcc: list[str] = field(default_factory=list)
    subject: str = ""
    text: str = ""
    html: str = ""
    attachments: list[Attachment] = field(default_factory=list)
    in_reply_to: str | None = None
    """The id of the letter that this one answers."""


class Sent(Struct, frozen=True):
    """The id of a letter that is on its way."""

    id: str


class Releasing(Struct, frozen=True, forbid_unknown_fields=True):
    to: list[str]


def composing_routes(behind: ApiContext, shelf: ApiShelf) -> tuple[Route, ...]:
    """Where letters are written and sent on."""
    pages = Composing(behind, shelf)
    return (
        Route(
            "POST",
            "/v1/letters",
            pages.send,
            "user",
            is_large=True,
            ends_with_client=True,
            told=RouteDoc("Write a letter, as one of the accounts.", takes=Written, gives=Sent, status=201),
        ),
        Route(
            "POST",
            "/v1/letters/{id}/release",
            pages.release,
            "user",
            told=RouteDoc(
                "Send a letter on to other addresses, through the queue.", takes=Releasing, gives=Sent, status=201
            ),
        ),
    )


class Composing:
    """The pages behind them."""

    def __init__(self, behind: ApiContext, shelf: ApiShelf) -> None:
        self._behind = behind
        self._shelf = shelf
        self._index: LetterIndex = shelf.index
        self._intake = WebSubmission(behind.submission, behind.clock)
        submission = behind.config.submission
        self._limits = ComposeLimits(
            submission.max_size, submission.max_recipients, attachments=behind.config.web.max_attachments
        )

    async def send(self, ask: Request) -> Response:
        check_is_json(ask)
        size, limits = len(ask.body), self._limits
        wanted = await self._shelf.do(
            lambda: json_body.convert(ask.body, Written, limits.values, limits.explained), size
        )
        account = await self._account(ask, wanted.author)
        answered = await self._answered(ask, wanted.in_reply_to)
        now = self._behind.clock.now()
        letter = await self._shelf.do(lambda: compose(_sending(wanted, answered), limits, now), size)
        return await shielded(self._hand_in(account, letter.sender, letter.recipients, letter.octets))

    async def release(self, ask: Request) -> Response:
        """In the name of who releases it; its own From stays as it is."""
        wanted = from_json(ask, Releasing)
        item = await self._shelf.item(ask)
        account = ask.visitor.account or await self._somebody()
        check_count(wanted.to, self._limits.recipients)
        recipients = tuple(dict.fromkeys(checked(each) for each in wanted.to))
        if not recipients:
            raise HttpError(400, 'Say where to: {"to": ["dora@elsewhere.test"]}')
        octets = await self._shelf.octets(item)
        outside = self._behind.options.admin.release
        if outside is not None and ask.visitor.is_admin:
            try:
                author = item.author.address if item.author else account
                return in_json(Sent(await outside(author, recipients, octets, item.id)), 201)
            except ValueError as error:
                raise HttpError(422, str(error)) from None
            except Refusal as refusal:
                raise _refused(refusal) from None
        # The journey of a letter is its author's: he need not hear what its reader does with it.
        copied = Copied(item.id, RELEASED) if ask.visitor.is_admin else None
        return await self._hand_in(account, account, recipients, octets, copied)

    async def _hand_in(  # each of a type of its own
        self, account: str, sender: str, recipients: tuple[str, ...], octets: bytes, copied: Copied | None = None
    ) -> Response:
        most = self._behind.config.submission.max_size
        if len(octets) > most:
            raise HttpError(413, f"A letter has {most} octets at most.")
        try:
            letter = await self._intake.hand_in(sender, recipients, octets, account=account, copied=copied)
        except Refusal as refusal:
            raise _refused(refusal) from None
        return in_json(Sent(letter), 201)

    async def _account(self, ask: Request, author: str) -> str:
        """Who answers for the letter: who logged in; where nobody does, the account that the author's address is of."""
        if ask.visitor.account:
            return ask.visitor.account
        try:
            address = Address.parse(author)
            key = await self._behind.access.directory.mailbox(address)
        except AddressError as error:
            raise HttpError(400, f"from: {author[:60]!r} is no address ({error})") from None
        if key is None or not self._behind.access.directory.is_local(address.domain):
            raise HttpError(400, f"from: {author[:60]} is no account here; GET /v1/accounts lists them.")
        return key

    async def _somebody(self) -> str:
        """The oldest account: in a dev environment, where nobody logs in, it is for the developer."""
        accounts = await self._behind.store.accounts()
        if not accounts:
            raise HttpError(409, "There is no account to send in the name of; add one.")
        return min(accounts, key=lambda account: (account.created, account.address)).address

    async def _answered(self, ask: Request, letter: str | None) -> dict[str, str] | None:
        """The fields that tie an answer to what it answers (RFC 5322 §3.6.4)."""
        if letter is None:
            return None
        item = await self._index.item(letter, seen_by(ask))
        if item is None:
            raise HttpError(404, f"in_reply_to: there is no letter {letter[:40]}.")
        if not item.message_id or not item.message_id.isascii() or any(c.isspace() for c in item.message_id):
            return None
        return {"In-Reply-To": f"<{item.message_id}>", "References": f"<{item.message_id}>"}


def _sending(wanted: Written, headers: dict[str, str] | None) -> Sending:
    """What is composed; `headers` are those that tie it to what it answers."""
    return Sending(
        author=Person(wanted.author),
        to=tuple(Person(each) for each in wanted.to),
        cc=tuple(Person(each) for each in wanted.cc),
        bcc=tuple(wanted.bcc),
        subject=wanted.subject,
        text=wanted.text,
        html=wanted.html,
        attachments=tuple(Attached(each.content, each.name, each.type, each.content_id) for each in wanted.attachments),
        headers=headers,
    )


def _refused(refusal: Refusal) -> HttpError:
    reply = refusal.reply
    status = 422 if reply.code >= 500 else 507 if reply.status == NO_ROOM.status else 503
    return HttpError(status, f"The server does not take it: {reply.code} {reply.text}")
