"""HTML pages without scripts: the front page and the client set-up steps."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from importlib.util import find_spec
from io import BytesIO
from urllib.parse import urlencode

from mailstack.web.autoconfig.clients import BY_NAME, GUIDES
from mailstack.web.autoconfig.guide import CannotSetUp, Guide, SetupStep
from mailstack.web.client_files import PublicServerInfo, StaticFile
from mailstack.web.http_messages import HttpError, HttpRoute, Request, Response

HTML = "text/html; charset=utf-8"
QR_CURE = "pip install 'mailstack[qr]'"
SHORT_TEXT = 12
"""Maximum characters of a table cell that is never wrapped, such as a service name or a port."""


def html_response(title: str, parts: Iterable[str]) -> Response:
    """Return a page of HTML parts, without the empty ones. Links are relative, so that any root path works."""
    body = "\n".join(part for part in parts if part)
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f'<title>{escape(title)}</title><link rel="stylesheet" href="style.css"></head>\n<body><main>\n{body}\n</main></body></html>\n'
    )
    return Response(page.encode(), HTML)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(each)}</th>" for each in columns)
    body = "".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(text: str) -> str:
    """Return a table cell; a short text is not wrapped."""
    return f'<td class="short">{escape(text)}</td>' if len(text) <= SHORT_TEXT else f"<td>{escape(text)}</td>"


PROFILE_CLIENTS = frozenset({"ios", "apple-mail"})
"""Clients that install a configuration profile."""
PHONE_CLIENTS = frozenset({"ios", "gmail-app", "k9"})
"""Clients on phones, with a QR code on their page."""


def setup_routes(server: PublicServerInfo) -> tuple[HttpRoute, ...]:
    """Return the routes of the set-up pages and of their style sheet."""
    pages, style = SetupPages(server), StaticFile(files("mailstack.web").joinpath("style.css"))
    return (
        HttpRoute("GET", "/setup", pages.setup),
        HttpRoute("GET", "/setup/code.svg", pages.code),
        HttpRoute("GET", "/style.css", style.page),
    )


class SetupPages:
    """Pages with the set-up steps; the local part of an address does not change a page, so they reveal no accounts."""

    def __init__(self, server: PublicServerInfo) -> None:
        self._server = server

    async def setup(self, request: Request) -> Response:
        """Return the steps for `?client=&address=`, or the list of clients without `client`."""
        server = self._server
        if not request.query.get("client", ""):
            return html_response("Set up a client", self.choice(request.query.get("address", "")))
        guide, address = self._guide_and_address(request)
        try:
            steps = guide.steps(address, server.services, "ca.pem" if server.ca_file else "")
        except CannotSetUp as error:
            raise HttpError(400, str(error)) from None
        parts = [
            f"<h1>{escape(guide.title)}</h1>",
            f'<p class="account">{escape(address)}</p>',
            _profile(guide, address),
            _code(guide, address, request),
            '<ol class="instructions">',
            *(_step(step) for step in steps),
            "</ol>",
            self.authority(),
            f'<p><a href="setup?{escape(urlencode({"address": address}))}">Other clients</a></p>',
        ]
        return html_response(guide.title, parts)

    async def code(self, request: Request) -> Response:
        """Return a QR code (ISO/IEC 18004) with the URL of the profile or of the steps. Raises HttpError 501."""
        try:
            # Imported on first use: most servers never draw a code.
            import segno  # noqa: PLC0415
        except ModuleNotFoundError:
            raise HttpError(501, f"QR codes need segno, which is not installed: {QR_CURE}.") from None

        guide, address = self._guide_and_address(request)
        picture = BytesIO()
        # Dark on light in both color schemes: some cameras do not read inverted codes.
        segno.make(_url(guide, address, request), error="m").save(
            picture, kind="svg", scale=5, border=4, light="#fff", xmldecl=False
        )
        return Response(picture.getvalue(), "image/svg+xml")

    def _guide_and_address(self, request: Request) -> tuple[Guide, str]:
        """Return the guide and the address of the query. Raises HttpError 404 and 400."""
        guide = BY_NAME.get(request.query.get("client", ""))
        if guide is None:
            raise HttpError(404, f"Unknown client; it must be one of {', '.join(BY_NAME)}.")
        return guide, str(self._server.address(request.query.get("address", "")))

    def choice(self, address: str = "") -> list[str]:
        """Return the form with the address and the client."""
        server = self._server
        options = "".join(f'<option value="{escape(each.name)}">{escape(each.title)}</option>' for each in GUIDES)
        example = address or (server.accounts[0][0] if server.accounts else "")
        hint = escape(f"you@{next(iter(server.domains), 'home.test')}")
        form = (
            '<form action="setup" method="get">'
            '<label>Your address <input name="address" type="email" required autocomplete="email" '
            f'placeholder="{hint}" value="{escape(example)}"></label>'
            f'<label>Your client <select name="client">{options}</select></label>'
            "<button>Show the steps</button></form>"
        )
        return ["<h1>Set up a client</h1>", form, self.authority()]

    def authority(self) -> str:
        """Return a link to the CA certificate if the server has a private CA."""
        if self._server.ca_file is None:
            return ""
        return '<p>The certificate is issued by a private CA of this server: <a href="ca.pem">ca.pem</a></p>'


def _path(guide: Guide, address: str) -> str:
    if guide.name in PROFILE_CLIENTS:
        return f"profile.mobileconfig?{urlencode({'address': address})}"
    return f"setup?{urlencode({'client': guide.name, 'address': address})}"


def _url(guide: Guide, address: str, request: Request) -> str:
    scheme = "https" if request.is_secure else "http"
    return f"{scheme}://{request.authority or request.host}/{_path(guide, address)}"


def _profile(guide: Guide, address: str) -> str:
    if guide.name not in PROFILE_CLIENTS:
        return ""
    return f'<p><a class="button" href="{escape(_path(guide, address))}">Configuration profile</a></p>'


def _code(guide: Guide, address: str, request: Request) -> str:
    if guide.name not in PHONE_CLIENTS:
        return ""
    if _is_this_machine(request.host):
        return (
            '<p class="code">A phone can\'t reach this page under this host name. Start mailstack dev --host 0.0.0.0 and open the '
            "page by this machine's address to get a QR code.</p>"
        )
    if find_spec("segno") is None:
        url = escape(_url(guide, address, request))
        return (
            f'<p class="code">On the phone, open <code>{url}</code>. It is a QR code here after '
            f"<code>{escape(QR_CURE)}</code>.</p>"
        )
    link = escape(f"setup/code.svg?{urlencode({'client': guide.name, 'address': address})}")
    what = "the configuration profile" if guide.name in PROFILE_CLIENTS else "this page"
    return (
        f'<figure class="code"><img src="{link}" alt="QR code with the address of {what}" width="205" height="205">'
        f"<figcaption>Scan this code with the phone's camera to open {what}.</figcaption></figure>"
    )


def _is_this_machine(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _step(step: SetupStep) -> str:
    parts = [f"<p>{escape(step.instruction)}</p>"]
    if step.values:
        # The same fields as in the client.
        rows = "".join(f"<dt>{escape(name)}</dt><dd><code>{escape(value)}</code></dd>" for name, value in step.values)
        parts.append(f'<dl class="form">{rows}</dl>')
    if step.file:
        parts.append(f"<p><code>{escape(step.file)}</code></p>")
    if step.text:
        parts.append(f"<pre>{escape(step.text)}</pre>")
    return f"<li>{''.join(parts)}</li>"


def front_routes(server: PublicServerInfo, path: str = "/") -> tuple[HttpRoute, ...]:
    """Return the route of the front page; its path is not `/` if the server has an inbox."""
    return (HttpRoute("GET", path, FrontPage(server).front),)


class FrontPage:
    """Front page: the services and, in the dev environment, the accounts."""

    def __init__(self, server: PublicServerInfo) -> None:
        self._server = server
        self._instructions = SetupPages(server)

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
        return html_response(server.config.hostname, parts)
