"""HTML of the pages that need no script: whole, escaped, with one style."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from io import BytesIO
from urllib.parse import urlencode

from mailstack.web.autoconfig.clients import BY_NAME, GUIDES
from mailstack.web.autoconfig.guide import CannotSetUp, Guide, Step
from mailstack.web.http_values import HttpError, Request, Response
from mailstack.web.routes import Route
from mailstack.web.server_info import ShownServer
from mailstack.web.static_files import StaticFile

HTML = "text/html; charset=utf-8"
SHORT = 12
"""Characters: the name of a service, a port."""


def paper(title: str, parts: Iterable[str]) -> Response:
    """A page; the parts are HTML, empty ones are left out. Its links are relative, so that any path may hold it."""
    body = "\n".join(part for part in parts if part)
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f'<title>{escape(title)}</title><link rel="stylesheet" href="style.css"></head>\n<body><main>\n{body}\n</main></body></html>\n'
    )
    return Response(page.encode(), HTML)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Texts in rows."""
    head = "".join(f"<th>{escape(each)}</th>" for each in columns)
    body = "".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(text: str) -> str:
    """What is short is not broken, also where there is little room."""
    return f'<td class="short">{escape(text)}</td>' if len(text) <= SHORT else f"<td>{escape(text)}</td>"


PROFILED = frozenset({"ios", "apple-mail"})
"""Clients that install a configuration profile."""
ON_PHONES = frozenset({"ios", "gmail-app", "k9"})
"""Clients whose steps are followed with the phone in the hand."""


def instruction_pages(server: ShownServer) -> tuple[Route, ...]:
    """The pages, and the style of all that need no script."""
    pages, style = Instructions(server), StaticFile(files("mailstack.web").joinpath("style.css"))
    return (
        Route("GET", "/setup", pages.setup),
        Route("GET", "/setup/code.svg", pages.code),
        Route("GET", "/style.css", style.page),
    )


class Instructions:
    """They know domains, never accounts: every local part is told the same."""

    def __init__(self, server: ShownServer) -> None:
        self._server = server

    async def setup(self, ask: Request) -> Response:
        """The steps for one client and address, `?client=&address=`; without a client, all that there are."""
        server = self._server
        name = ask.query.get("client", "")
        if not name:
            return paper("Set up a client", self.choice(ask.query.get("address", "")))
        guide = BY_NAME.get(name)
        if guide is None:
            raise HttpError(404, f"No steps are known for that client; it is one of {', '.join(BY_NAME)}.")
        address = str(server.address(ask.query.get("address", "")))
        try:
            steps = guide.steps(address, server.services, "ca.pem" if server.ca_file else "")
        except CannotSetUp as error:
            raise HttpError(400, str(error)) from None
        parts = [
            f"<h1>{escape(guide.title)}</h1>",
            f'<p class="whose">{escape(address)}</p>',
            _profile(guide, address),
            _code(guide, address, ask),
            '<ol class="instructions">',
            *(_step(step) for step in steps),
            "</ol>",
            self.authority(),
            f'<p><a href="setup?{escape(urlencode({"address": address}))}">Other clients</a></p>',
        ]
        return paper(guide.title, parts)

    async def code(self, ask: Request) -> Response:
        """What a phone's camera reads (ISO/IEC 18004): the address of the profile, or of the steps."""
        # Most servers are never asked for one.
        import segno  # noqa: PLC0415

        guide = BY_NAME.get(ask.query.get("client", ""))
        if guide is None:
            raise HttpError(404, f"There is a code for each of {', '.join(BY_NAME)}.")
        address = str(self._server.address(ask.query.get("address", "")))
        target = f"{'https' if ask.is_secure else 'http'}://{ask.authority or ask.host}/{_path(guide, address)}"
        picture = BytesIO()
        # Dark on light in either scheme: that is what cameras know.
        segno.make(target, error="m").save(picture, kind="svg", scale=5, border=4, light="#fff", xmldecl=False)
        return Response(picture.getvalue(), "image/svg+xml")

    def choice(self, address: str = "") -> list[str]:
        """Asks whose client is set up, and which."""
        server = self._server
        options = "".join(f'<option value="{escape(each.name)}">{escape(each.title)}</option>' for each in GUIDES)
        shown = address or (server.accounts[0][0] if server.accounts else "")
        hint = escape(f"you@{next(iter(server.domains), 'home.test')}")
        form = (
            '<form action="setup" method="get">'
            '<label>Your address <input name="address" type="email" required autocomplete="email" '
            f'placeholder="{hint}" value="{escape(shown)}"></label>'
            f'<label>Your client <select name="client">{options}</select></label>'
            "<button>Show the steps</button></form>"
        )
        return ["<h1>Set up a client</h1>", form, self.authority()]

    def authority(self) -> str:
        """Where the CA is to be had, if it is one of the server's own."""
        if self._server.ca_file is None:
            return ""
        return '<p>The certificate is from a CA of this server\'s own: <a href="ca.pem">ca.pem</a></p>'


def _path(guide: Guide, address: str) -> str:
    if guide.name in PROFILED:
        return f"profile.mobileconfig?{urlencode({'address': address})}"
    return f"setup?{urlencode({'client': guide.name, 'address': address})}"


def _profile(guide: Guide, address: str) -> str:
    if guide.name not in PROFILED:
        return ""
    return f'<p><a class="button" href="{escape(_path(guide, address))}">Configuration profile</a></p>'


def _code(guide: Guide, address: str, ask: Request) -> str:
    if guide.name not in ON_PHONES:
        return ""
    if _is_this_machine(ask.host):
        return (
            "<p class=\"code\">A phone can't reach this page by the name that you called it by. Call it by this machine's "
            "address (mailstack dev --host 0.0.0.0), and here is a code for the phone's camera.</p>"
        )
    link = escape(f"setup/code.svg?{urlencode({'client': guide.name, 'address': address})}")
    what = "the configuration profile" if guide.name in PROFILED else "this page"
    return (
        f'<figure class="code"><img src="{link}" alt="QR code with the address of {what}" width="205" height="205">'
        f"<figcaption>The phone's camera opens {what} by this code.</figcaption></figure>"
    )


def _is_this_machine(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _step(step: Step) -> str:
    parts = [f"<p>{escape(step.say)}</p>"]
    if step.values:
        # The fields as the client shows them.
        rows = "".join(f"<dt>{escape(name)}</dt><dd><code>{escape(value)}</code></dd>" for name, value in step.values)
        parts.append(f'<dl class="form">{rows}</dl>')
    if step.file:
        parts.append(f"<p><code>{escape(step.file)}</code></p>")
    if step.text:
        parts.append(f"<pre>{escape(step.text)}</pre>")
    return f"<li>{''.join(parts)}</li>"


def front_pages(server: ShownServer, path: str = "/") -> tuple[Route, ...]:
    """The page; its place is another where the inbox is at `/`."""
    return (Route("GET", path, FrontPages(server).front),)


class FrontPages:
    """It needs no script, and fits a phone; colours are those that the device is set to."""

    def __init__(self, server: ShownServer) -> None:
        self._server = server
        self._instructions = Instructions(server)

    async def front(self, _: Request) -> Response:
        server = self._server
        parts = [
            f"<h1>{escape(server.config.hostname)}</h1>",
            f"<p>Mail for {escape(', '.join(server.domains))}.</p>",
            "<h2>Services</h2>",
            table(
                ("service", "host", "port", "security"),
                [(each.name, each.host, str(each.port), each.security.value) for each in server.services.all],
            ),
            "<p>User name: the whole address. The server requires authentication for sending, too.</p>",
            "<h2>Accounts</h2>" + table(("address", "password"), server.accounts) if server.accounts else "",
            *("<h2>Set up a client</h2>", *self._instructions.choice()[1:]),
        ]
        return paper(server.config.hostname, parts)
