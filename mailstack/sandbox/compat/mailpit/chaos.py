"""Mailpit's chaos: how often MAIL, RCPT and AUTH are answered with an error, as rules among the faults."""

from __future__ import annotations

from mailstack.sandbox.compat.bodies import taken
from mailstack.sandbox.compat.mailpit.request_schemas import Trigger, Triggers
from mailstack.sandbox.faults import Faults
from mailstack.sandbox.faults.imported_rules import from_mailpit, to_mailpit
from mailstack.web.http_values import HttpError, Request, Response, in_json
from mailstack.web.routes import Route, RouteDoc

_Shown = dict[str, dict[str, int]]
_IDS = ("mailpit-sender", "mailpit-recipient", "mailpit-authentication")


def chaos_pages(faults: Faults) -> tuple[Route, ...]:
    """Triggers that are left out are off."""

    def now() -> Response:
        return in_json(to_mailpit([rule for rule, _ in faults.list()]))

    async def show(_: Request) -> Response:
        return now()

    async def set_(ask: Request) -> Response:
        wanted = taken(ask, Triggers)
        given = {"Sender": wanted.sender, "Recipient": wanted.recipient, "Authentication": wanted.authentication}
        try:
            rules = from_mailpit({name: _as_mailpit(trigger) for name, trigger in given.items() if trigger})
        except ValueError as error:
            raise HttpError(400, str(error)) from None
        there = {rule.id for rule, _ in faults.list()}
        for each in there.intersection(_IDS):
            faults.remove(each)
        for rule in rules:
            faults.add(rule)
        return now()

    return (
        Route("GET", "/api/v1/chaos", show, "admin", told=RouteDoc("What goes wrong by chance.", gives=_Shown)),
        Route(
            "PUT",
            "/api/v1/chaos",
            set_,
            "admin",
            told=RouteDoc("Have things go wrong by chance; what is left out is off.", takes=Triggers, gives=_Shown),
        ),
    )


def _as_mailpit(trigger: Trigger) -> dict[str, int]:
    return {"ErrorCode": trigger.error_code, "Probability": trigger.probability}
