"""Mailpit's POST /send and /release."""

from __future__ import annotations

from collections.abc import Sequence

from mailstack.protocols.smtp.replies import Refusal
from mailstack.relay.external_relay import ExternalRelay
from mailstack.sandbox.compat.context import CompatContext
from mailstack.sandbox.compat.mailpit.messages import OK
from mailstack.sandbox.compat.mailpit.schemas import ReleaseRequest
from mailstack.sandbox.compat.requests import decode_body, find_letter
from mailstack.web.compose import ComposedLetter, ComposeLimits, LetterDraft, check_count, compose, parse_address
from mailstack.web.http_values import HttpError, Request, Response, json_response
from mailstack.web.site import shielded
from mailstack.web.submission import RELEASED, CopySource


class TransferHandlers:
    """Handlers of `send` and `release`."""

    def __init__(self, ground: CompatContext) -> None:
        self._ground = ground
        self._shelf = ground.shelf

    async def send(self, ask: Request) -> Response:
        """Accepts a message. A refusal is JSON here, as nowhere else in this API."""
        if self._ground.senders is not None:
            await self._ground.senders.authenticate(ask)
        try:
            now, limits = self._ground.clock.now(), self._ground.limits
            made = await self._shelf.do(lambda: _composed(ask, limits, now), len(ask.body))
            letter = await shielded(self._ground.capture.submit(made.sender, made.recipients, made.octets))
        except HttpError as trouble:
            return json_response({"Error": trouble.why}, trouble.status)
        except Refusal as refusal:
            return json_response({"Error": str(refusal.reply)}, 400)
        return json_response({"ID": letter})

    async def release(self, ask: Request) -> Response:
        """Releases a message to other addresses through the queue, without waiting for its delivery."""
        wanted = _released_to(ask)
        if not wanted:
            raise HttpError(400, "No valid addresses found")
        check_count(wanted, self._ground.limits.recipients)
        recipients = [parse_address(each) for each in wanted]
        item = await find_letter(self._shelf.index, ask.variables["id"])
        octets = await self._shelf.octets(item)
        author = item.author.address if item.author else ""
        leaving = self._ground.leaving
        try:
            if leaving is None:
                await self._ground.outward.submit(author, recipients, octets, copied=CopySource(item.id, RELEASED))
            else:
                _check(leaving.outlet, recipients)
                await leaving.release(author, recipients, octets, item.id)
        except Refusal as refusal:
            raise HttpError(400, f"SMTP error: {refusal.reply}") from None
        return OK


def _check(outlet: ExternalRelay, recipients: Sequence[str]) -> None:
    """Raises Trouble 400 for recipients that the relay does not accept."""
    for blocked, why in ((False, "do not match the allowlist"), (True, "found on blocklist")):
        if refused := [each for each in recipients if not outlet.allows(each) and outlet.is_blocked(each) is blocked]:
            raise HttpError(
                400, f"Failed: {'Address' if len(refused) == 1 else 'Addresses'} {why}: {', '.join(refused)}"
            )


def _composed(ask: Request, limits: ComposeLimits, now: float) -> ComposedLetter:
    """Composes the letter of a request. Raises Trouble."""
    return compose(decode_body(ask, LetterDraft, limits.values, limits.explained), limits, now)


def _released_to(ask: Request) -> tuple[str, ...]:
    """Addresses of `{"To": […]}`, or of a bare list, which some clients send."""
    if ask.body.lstrip().startswith(b"["):
        return decode_body(ask, tuple[str, ...])
    return decode_body(ask, ReleaseRequest).to
