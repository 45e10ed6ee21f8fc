"""API routes for sending new letters and releasing received ones."""

from __future__ import annotations

from msgspec import Struct, field

from mailstack.letter import Address, AddressError
from mailstack.mailbox.index.letter_index import LetterIndex
from mailstack.protocols.smtp.replies import Refusal
from mailstack.receiving.intake import STORAGE_FULL
from mailstack.web import json_body
from mailstack.web.api.letter_index import ApiLetterReader, visible_to
from mailstack.web.compose import (
    ComposeLimits,
    DraftAddress,
    DraftAttachment,
    LetterDraft,
    check_count,
    compose,
    parse_address,
)
from mailstack.web.context import ApiContext
from mailstack.web.http_messages import (
    HttpError,
    HttpRoute,
    Request,
    Response,
    RouteDoc,
    decode_json,
    json_response,
    require_json,
)
from mailstack.web.site import shielded
from mailstack.web.submission import RELEASED, CopySource, WebSubmission


class NewAttachment(Struct, frozen=True, forbid_unknown_fields=True):
    """File to attach."""

    name: str
    content: str
    """Content in base64."""
    type: str = ""
    content_id: str = ""


class NewLetter(Struct, frozen=True, forbid_unknown_fields=True):
    """Letter to send. Addresses have no display names: carol@elsewhere.test."""

    author: str = field(name="from")
    to: list[str] = field(default_factory=list)
    cc: list[str] = field(default_factory=list)
    bcc: list[str] = field(default_factory=list)
    subject: str = ""
    text: str = ""
    html: str = ""
    attachments: list[NewAttachment] = field(default_factory=list)
    in_reply_to: str | None = None
    """Id of the letter to reply to."""


class SentLetter(Struct, frozen=True):
    id: str


class LetterReleaseRequest(Struct, frozen=True, forbid_unknown_fields=True):
    to: list[str]


def compose_routes(context: ApiContext, reader: ApiLetterReader) -> tuple[HttpRoute, ...]:
    pages = ComposePages(context, reader)
    return (
        HttpRoute(
            "POST",
            "/v1/letters",
            pages.send,
            "user",
            RouteDoc("Send a new message from an account.", SentLetter, NewLetter, 201),
            is_large=True,
            ends_with_client=True,
        ),
        HttpRoute(
            "POST",
            "/v1/letters/{id}/release",
            pages.release,
            "user",
            RouteDoc("Release a message to other addresses, through the queue.", SentLetter, LetterReleaseRequest, 201),
        ),
    )


class ComposePages:
    def __init__(self, context: ApiContext, reader: ApiLetterReader) -> None:
        self._context = context
        self._reader = reader
        self._index: LetterIndex = reader.index
        self._intake = WebSubmission(context.submission, context.clock)
        submission = context.config.submission
        self._limits = ComposeLimits(
            submission.max_size, submission.max_recipients, attachments=context.config.web.max_attachments
        )

    async def send(self, request: Request) -> Response:
        require_json(request)
        size, limits = len(request.body), self._limits
        new_letter = await self._reader.do(
            lambda: json_body.convert(request.body, NewLetter, limits.values, limits.explained), size
        )
        account = await self._account(request, new_letter.author)
        reply_fields = await self._reply_fields(request, new_letter.in_reply_to)
        now = self._context.clock.now()
        letter = await self._reader.do(lambda: compose(_draft(new_letter, reply_fields), limits, now), size)
        return await shielded(self._submit(account, letter.sender, letter.recipients, letter.octets))

    async def release(self, request: Request) -> Response:
        """Release a letter with the user's account as sender; its From field is not changed."""
        release = decode_json(request, LetterReleaseRequest)
        item = await self._reader.item(request)
        account = request.user.account or await self._default_account()
        check_count(release.to, self._limits.recipients)
        recipients = tuple(dict.fromkeys(parse_address(each) for each in release.to))
        if not recipients:
            raise HttpError(400, 'to is empty; name at least one address: {"to": ["dora@elsewhere.test"]}')
        octets = await self._reader.octets(item)
        outside = self._context.options.admin.release
        if outside is not None and request.user.is_admin:
            try:
                author = item.author.address if item.author else account
                return json_response(SentLetter(await outside(author, recipients, octets, item.id)), 201)
            except ValueError as error:
                raise HttpError(422, str(error)) from None
            except Refusal as refusal:
                raise _http_error(refusal) from None
        # The journey belongs to the author and does not show what a reader does with the letter.
        copied = CopySource(item.id, RELEASED) if request.user.is_admin else None
        return await self._submit(account, account, recipients, octets, copied)

    async def _submit(  # each of a type of its own
        self, account: str, sender: str, recipients: tuple[str, ...], octets: bytes, copied: CopySource | None = None
    ) -> Response:
        limit = self._context.config.submission.max_size
        if len(octets) > limit:
            raise HttpError(413, f"The message is too large; the maximum is {limit} octets.")
        try:
            letter = await self._intake.submit(sender, recipients, octets, account=account, copied=copied)
        except Refusal as refusal:
            raise _http_error(refusal) from None
        return json_response(SentLetter(letter), 201)

    async def _account(self, request: Request, author: str) -> str:
        """Return the account of the login; without logins, the account of the author's address."""
        if request.user.account:
            return request.user.account
        try:
            address = Address.parse(author)
            key = await self._context.access.directory.mailbox(address)
        except AddressError as error:
            raise HttpError(400, f"from: {author[:60]!r} is not an address ({error})") from None
        if key is None or not self._context.access.directory.is_local(address.domain):
            raise HttpError(
                400, f"from: {author[:60]} is not an account of this server; GET /v1/accounts lists the accounts."
            )
        return key

    async def _default_account(self) -> str:
        """Return the oldest account, for a dev environment without logins."""
        accounts = await self._context.store.accounts.all()
        if not accounts:
            raise HttpError(409, "There is no account to send from; add one.")
        return min(accounts, key=lambda account: (account.created, account.address)).address

    async def _reply_fields(self, request: Request, letter: str | None) -> dict[str, str] | None:
        """Reply fields of the header (RFC 5322 §3.6.4)."""
        if letter is None:
            return None
        item = await self._index.item(letter, visible_to(request))
        if item is None:
            raise HttpError(404, f"in_reply_to: there is no message {letter[:40]}.")
        if not item.message_id or not item.message_id.isascii() or any(c.isspace() for c in item.message_id):
            return None
        return {"In-Reply-To": f"<{item.message_id}>", "References": f"<{item.message_id}>"}


def _draft(new_letter: NewLetter, headers: dict[str, str] | None) -> LetterDraft:
    """`headers` are the reply fields."""
    return LetterDraft(
        author=DraftAddress(new_letter.author),
        to=tuple(DraftAddress(each) for each in new_letter.to),
        cc=tuple(DraftAddress(each) for each in new_letter.cc),
        bcc=tuple(new_letter.bcc),
        subject=new_letter.subject,
        text=new_letter.text,
        html=new_letter.html,
        attachments=tuple(
            DraftAttachment(each.content, each.name, each.type, each.content_id) for each in new_letter.attachments
        ),
        headers=headers,
    )


def _http_error(refusal: Refusal) -> HttpError:
    reply = refusal.reply
    status = 422 if reply.code >= 500 else 507 if reply.status == STORAGE_FULL.status else 503
    return HttpError(status, f"The server refused the message: {reply.code} {reply.text}")
