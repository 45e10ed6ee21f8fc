"""James's mock SMTP server: its /smtpBehaviors, each a fault by command, with a condition and a count."""

from __future__ import annotations

from typing import Any

import msgspec

from mailstack.sandbox.faults import Faults, TooManyRules
from mailstack.sandbox.faults.imported_rules import from_james
from mailstack.web.http_values import HttpError, Request, Response, in_json
from mailstack.web.routes import Route

_PATH, _OURS = "/smtpBehaviors", "james-"


def james_pages(faults: Faults) -> tuple[Route, ...]:
    """PUT takes the place of all that were there; GET gives them back, DELETE ends them."""
    told: list[dict[str, Any]] = []

    def clear() -> None:
        told.clear()
        for rule, _ in faults.list():
            if rule.id.startswith(_OURS):
                faults.remove(rule.id)

    async def show(_: Request) -> Response:
        return in_json(told)

    async def put(ask: Request) -> Response:
        try:
            behaviors = msgspec.json.decode(ask.body, type=list[dict[str, Any]])
            rules = from_james(behaviors)
        except (ValueError, RecursionError) as error:
            raise HttpError(400, f"These are no behaviors that can be had here: {error}") from None
        clear()
        try:
            for rule in rules:
                faults.add(rule)
        except TooManyRules as error:
            clear()
            raise HttpError(400, str(error)) from None
        told.extend(behaviors)
        return Response(b"", "", 204)

    async def end(_: Request) -> Response:
        clear()
        return Response(b"", "", 204)

    return (
        Route("GET", _PATH, show, "admin"),
        Route("PUT", _PATH, put, "admin"),
        Route("DELETE", _PATH, end, "admin"),
    )
