"""The front page of an office: its services, and in a dev environment the accounts."""

from __future__ import annotations

from html import escape

from mailstack.web.html_page import paper, table
from mailstack.web.http_values import Request, Response
from mailstack.web.routes import Route
from mailstack.web.server_info import ShownOffice
from mailstack.web.setup_pages import Instructions


def front_pages(office: ShownOffice, path: str = "/") -> tuple[Route, ...]:
    """The page; its place is another where the inbox is at `/`."""
    return (Route("GET", path, FrontPages(office).front),)


class FrontPages:
    """It needs no script, and fits a phone; colours are those that the device is set to."""

    def __init__(self, office: ShownOffice) -> None:
        self._office = office
        self._instructions = Instructions(office)

    async def front(self, _: Request) -> Response:
        office = self._office
        parts = [
            f"<h1>{escape(office.config.hostname)}</h1>",
            f"<p>Mail for {escape(', '.join(office.domains))}.</p>",
            "<h2>Services</h2>",
            table(
                ("service", "host", "port", "security"),
                [(each.name, each.host, str(each.port), each.security.value) for each in office.services.all],
            ),
            "<p>User name: the whole address. The server requires authentication for sending, too.</p>",
            "<h2>Accounts</h2>" + table(("address", "password"), office.accounts) if office.accounts else "",
            *("<h2>Set up a client</h2>", *self._instructions.choice()[1:]),
        ]
        return paper(office.config.hostname, parts)
