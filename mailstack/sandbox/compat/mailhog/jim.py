"""MailHog's /api/v2/jim: has him come, tells him what to do, and sends him home."""

from __future__ import annotations

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from mailstack.sandbox.compat.bodies import taken
from mailstack.sandbox.compat.mailhog.monkey import Jim, Monkey
from mailstack.web.http_values import HttpError, Request, Response
from mailstack.web.routes import Route

TEXT_JSON = "text/json; charset=utf-8"


class Given(Struct, frozen=True, rename="lower"):
    """What he is told; what is left out stays as it was."""

    disconnectchance: float | None = None
    acceptchance: float | None = None
    linkspeedaffect: float | None = None
    linkspeedmin: float | None = None
    linkspeedmax: float | None = None
    rejectsenderchance: float | None = None
    rejectrecipientchance: float | None = None
    rejectauthchance: float | None = None


def jim_pages(monkey: Monkey) -> tuple[Route, ...]:
    """404 while he is not here."""

    def here() -> Jim:
        if monkey.jim is None:
            raise HttpError(404, "Jim is not here; POST invites him")
        return monkey.jim

    async def show(_: Request) -> Response:
        return Response(msgspec.json.encode(here()), TEXT_JSON)

    async def invite(ask: Request) -> Response:
        if monkey.jim is not None:
            raise HttpError(400, "Jim is here already; PUT changes what he does")
        _tell(monkey, Jim(), ask)
        return Response(b"", TEXT_JSON, 201)

    async def tell(ask: Request) -> Response:
        _tell(monkey, here(), ask)
        return Response(b"", TEXT_JSON)

    async def send_home(_: Request) -> Response:
        here()
        monkey.leave()
        return Response(b"", TEXT_JSON)

    return (
        Route("GET", "/api/v2/jim", show, "admin"),
        Route("POST", "/api/v2/jim", invite, "admin"),
        Route("PUT", "/api/v2/jim", tell, "admin"),
        Route("DELETE", "/api/v2/jim", send_home, "admin"),
    )


def _tell(monkey: Monkey, jim: Jim, ask: Request) -> None:
    """Raises Trouble 400."""
    given = msgspec.structs.asdict(taken(ask, Given)) if ask.body.strip() else {}
    names = {name.replace("_", ""): name for name in Jim.__struct_fields__}
    try:
        monkey.come(replace(jim, **{names[name]: value for name, value in given.items() if value is not None}))
    except ValueError as error:
        raise HttpError(400, str(error)) from None
