"""The front page: the services, how to set a client up, and in a dev environment the accounts."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from urllib.parse import urlencode

from mailstack.setup.clients import BY_NAME, GUIDES
from mailstack.setup.guide import CannotSetUp, Guide, Step
from mailstack.web.asking import Answer, Ask, Trouble
from mailstack.web.office import ShownOffice
from mailstack.web.routes import Route

HTML = "text/html; charset=utf-8"


def front_pages(office: ShownOffice) -> tuple[Route, ...]:
    """The pages for people."""
    pages = FrontPages(office)
    return (
        Route("GET", "/", pages.front),
        Route("GET", "/setup", pages.setup),
        Route("GET", "/style.css", pages.style),
    )


class FrontPages:
    """They need no script, and fit a phone; colours are those that the device is set to."""

    def __init__(self, office: ShownOffice) -> None:
        self._office = office
        self._style = files("mailstack.web").joinpath("style.css").read_bytes()

    async def style(self, _: Ask) -> Answer:
        return Answer(self._style, "text/css; charset=utf-8")

    async def front(self, _: Ask) -> Answer:
        office = self._office
        name = escape(office.config.hostname)
        parts = [
            f"<h1>{name}</h1>",
            f"<p>Mail for {escape(', '.join(office.domains))}.</p>",
            "<h2>Services</h2>",
            _table(
                ("service", "host", "port", "security"),
                [(each.name, each.host, str(each.port), each.security.value) for each in office.services.all],
            ),
            "<p>User name: the whole address. The server requires authentication for sending, too.</p>",
            self._accounts(),
            "<h2>Set up a client</h2>",
            self._form(),
            self._authority(),
        ]
        return _page(office.config.hostname, parts)

    async def setup(self, ask: Ask) -> Answer:
        """The steps for one client and address: `?client=&address=`."""
        office = self._office
        guide = BY_NAME.get(ask.query.get("client", ""))
        if guide is None:
            raise Trouble(404, f"No steps are known for that client; it is one of {', '.join(BY_NAME)}.")
        address = str(office.address(ask.query.get("address", "")))
        try:
            steps = guide.steps(address, office.services, "ca.pem" if office.ca_file else "")
        except CannotSetUp as error:
            raise Trouble(400, str(error)) from None
        parts = [
            f"<h1>{escape(guide.title)}</h1>",
            f"<p>{escape(address)}</p>",
            self._profile(guide, address),
            "<ol>",
            *(_step(step) for step in steps),
            "</ol>",
            self._authority(),
            '<p><a href="/">Other clients</a></p>',
        ]
        return _page(guide.title, parts)

    def _accounts(self) -> str:
        if not self._office.accounts:
            return ""
        return "<h2>Accounts</h2>" + _table(("address", "password"), list(self._office.accounts))

    def _form(self) -> str:
        options = "".join(f'<option value="{escape(each.name)}">{escape(each.title)}</option>' for each in GUIDES)
        shown = self._office.accounts[0][0] if self._office.accounts else ""
        hint = escape(f"you@{next(iter(self._office.domains), 'home.test')}")
        return (
            '<form action="/setup" method="get">'
            '<label>Your address <input name="address" type="email" required autocomplete="email" '
            f'placeholder="{hint}" value="{escape(shown)}"></label>'
            f'<label>Your client <select name="client">{options}</select></label>'
            "<button>Show the steps</button></form>"
        )

    def _profile(self, guide: Guide, address: str) -> str:
        if guide.name not in ("ios", "apple-mail"):
            return ""
        link = escape(f"/profile.mobileconfig?{urlencode({'address': address})}")
        return f'<p><a class="button" href="{link}">Configuration profile</a></p>'

    def _authority(self) -> str:
        if self._office.ca_file is None:
            return ""
        return '<p>The certificate is from a CA of this office\'s own: <a href="/ca.pem">ca.pem</a></p>'


def _step(step: Step) -> str:
    parts = [f"<p>{escape(step.say)}</p>"]
    if step.values:
        rows = "".join(f"<dt>{escape(name)}</dt><dd><code>{escape(value)}</code></dd>" for name, value in step.values)
        parts.append(f"<dl>{rows}</dl>")
    if step.file:
        parts.append(f"<p><code>{escape(step.file)}</code></p>")
    if step.text:
        parts.append(f"<pre>{escape(step.text)}</pre>")
    return f"<li>{''.join(parts)}</li>"


def _table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    head = "".join(f"<th>{escape(each)}</th>" for each in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _page(title: str, parts: list[str]) -> Answer:
    body = "\n".join(part for part in parts if part)
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f'<title>{escape(title)}</title><link rel="stylesheet" href="/style.css"></head>\n<body><main>\n{body}\n</main></body></html>\n'
    )
    return Answer(page.encode(), HTML)
