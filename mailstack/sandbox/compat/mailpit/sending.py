"""Mailpit's POST /send and /release: letters that enter, or leave, by HTTP."""

from __future__ import annotations

from collections.abc import Sequence

from mailstack.protocols.smtp.replies import Refusal
from mailstack.relay.external_relay import ExternalRelay
from mailstack.sandbox.compat.bodies import taken
from mailstack.sandbox.compat.context import CompatContext
from mailstack.sandbox.compat.finding import found
from mailstack.sandbox.compat.mailpit.messages import OK
from mailstack.sandbox.compat.mailpit.request_schemas import Releasing
from mailstack.web.compose import ComposeLimits, Sending, Written, check_count, checked, compose
from mailstack.web.http_values import PLAIN, HttpError, Request, Response, in_json
from mailstack.web.letter_reader import Shelf
from mailstack.web.release import RELEASED
from mailstack.web.routes import Route, RouteDoc
from mailstack.web.shielded import shielded
from mailstack.web.submission import Copied


def sending_pages(ground: CompatContext, shelf: Shelf) -> tuple[Route, ...]:
    """Two of them."""
    pages = _Sending(ground, shelf)
    return (
        Route(
            "POST",
            "/api/v1/send",
            pages.send,
            "admin" if ground.senders is None else "anyone",
            is_large=True,
            ends_with_client=True,
            told=RouteDoc("Take a message that is made of this.", takes=Sending, gives=dict[str, str]),
        ),
        Route(
            "POST",
            "/api/v1/message/{id}/release",
            pages.release,
            "admin",
            told=RouteDoc("Send it on, through the queue.", takes=Releasing, media_type=PLAIN),
        ),
    )


class _Sending:
    def __init__(self, ground: CompatContext, shelf: Shelf) -> None:
        self._ground = ground
        self._shelf = shelf

    async def send(self, ask: Request) -> Response:
        """A refusal is JSON here, as nowhere else. Who may send is asked here, where that is not who may see the pages."""
        if self._ground.senders is not None:
            await self._ground.senders.visitor(ask)
        try:
            now, limits = self._ground.clock.now(), self._ground.limits
            made = await self._shelf.do(lambda: _composed(ask, limits, now), len(ask.body))
            letter = await shielded(self._ground.capture.hand_in(made.sender, made.recipients, made.octets))
        except HttpError as trouble:
            return in_json({"Error": trouble.why}, trouble.status)
        except Refusal as refusal:
            return in_json({"Error": str(refusal.reply)}, 400)
        return in_json({"ID": letter})

    async def release(self, ask: Request) -> Response:
        """To other addresses, through the queue: it is carried like every letter, and nobody waits here for that."""
        wanted = _released_to(ask)
        if not wanted:
            raise HttpError(400, "No valid addresses found")
        check_count(wanted, self._ground.limits.recipients)
        recipients = [checked(each) for each in wanted]
        item = await found(self._shelf.catalogue, ask.variables["id"])
        octets = await self._shelf.octets(item)
        author = item.author.address if item.author else ""
        leaving = self._ground.leaving
        try:
            if leaving is None:
                await self._ground.outward.hand_in(author, recipients, octets, copied=Copied(item.id, RELEASED))
            else:
                _check(leaving.outlet, recipients)
                await leaving.release(author, recipients, octets, item.id)
        except Refusal as refusal:
            raise HttpError(400, f"SMTP error: {refusal.reply}") from None
        return OK


def _check(outlet: ExternalRelay, recipients: Sequence[str]) -> None:
    """Raises Trouble 400 for those that the outlet takes nothing for."""
    for blocked, why in ((False, "do not match the allowlist"), (True, "found on blocklist")):
        if refused := [each for each in recipients if not outlet.takes(each) and outlet.is_blocked(each) is blocked]:
            raise HttpError(
                400, f"Failed: {'Address' if len(refused) == 1 else 'Addresses'} {why}: {', '.join(refused)}"
            )


def _composed(ask: Request, limits: ComposeLimits, now: float) -> Written:
    """A letter that is written here. Raises Trouble."""
    return compose(taken(ask, Sending, limits.values, limits.explained), limits, now)


def _released_to(ask: Request) -> tuple[str, ...]:
    """The addresses: as `{"To": […]}`, or as a bare list, which some clients send."""
    if ask.body.lstrip().startswith(b"["):
        return taken(ask, tuple[str, ...])
    return taken(ask, Releasing).to
