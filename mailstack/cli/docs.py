"""Command `mailstack docs`: the documentation site of this version, served on loopback."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from io import BytesIO
from mimetypes import guess_type
from posixpath import normpath
from urllib.parse import quote, unquote, urlsplit
from zipfile import BadZipFile, ZipFile

import click

from mailstack.cli.output import CommandError

HOST = "127.0.0.1"
SITE = files("mailstack").joinpath("site.zip")
"""Pages that `make docs` builds (packaging/site.py)."""
NOT_FOUND = "404.html"
IDLE_S = 30.0
"""Time limit for a request, and between two of a connection."""


@click.command()
@click.argument("words", nargs=-1)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port to serve on; default: a free one.")
@click.option("--no-browser", is_flag=True, help="Print the address only.")
def docs(words: tuple[str, ...], port: int, no_browser: bool) -> None:
    """Serve the documentation of this version, and open it in the browser.

    The pages are those of the installed version, with a search, and load nothing from other hosts. With WORDS the
    browser opens a search for them. Only this machine can read the pages, until Ctrl-C.

    \b
    Example:
      mailstack docs
      mailstack docs greylisting
      mailstack docs --port 8026 --no-browser
    """
    with _site() as site:
        try:
            server = ThreadingHTTPServer((HOST, port), page_handler(site))
        except OSError as error:
            raise CommandError(f"port {port} can't be used: {error.strerror}; choose another --port") from None
        url = f"http://{HOST}:{server.server_address[1]}/" + (f"?q={quote(' '.join(words))}" if words else "")
        click.echo(f"Documentation: {url}\nPress Ctrl-C to stop.")
        if not no_browser and _has_display():
            click.launch(url)
        with server:
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                click.echo()


def _site() -> ZipFile:
    """Archive with the pages. Raises CommandError."""
    try:
        return ZipFile(BytesIO(SITE.read_bytes()))
    except FileNotFoundError:
        raise CommandError(
            "this installation has no documentation site: install a wheel that `make dist` built. In a checkout, run "
            "`make docs`, or read docs/README.md"
        ) from None
    except BadZipFile as error:
        raise CommandError(f"{SITE} is damaged ({error}); install mailstack again") from None


def _has_display() -> bool:
    """Whether a graphical browser can open; without one a browser for terminals would hide the address."""
    if not sys.stdout.isatty():
        return False
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def page_handler(site: ZipFile) -> Callable[..., BaseHTTPRequestHandler]:
    """Returns the handler class that answers with the files of an archive."""
    names = frozenset(site.namelist())
    modified = formatdate(usegmt=True)

    class PageHandler(BaseHTTPRequestHandler):
        """Answers with a file of the site."""

        protocol_version = "HTTP/1.1"
        timeout = IDLE_S

        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            name = normpath("/" + path.lstrip("/")).lstrip("/")
            if f"{name}/index.html" in names and not path.endswith("/"):
                self.send_response(HTTPStatus.MOVED_PERMANENTLY)
                self.send_header("Location", quote(f"/{name}/"))
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if path.endswith("/"):
                name = f"{name}/index.html".lstrip("/")
            status = HTTPStatus.OK if name in names else HTTPStatus.NOT_FOUND
            octets = site.read(name if name in names else NOT_FOUND) if {name, NOT_FOUND} & names else b""
            self.send_response(status)
            self.send_header("Content-Type", _media_type(name if status == HTTPStatus.OK else NOT_FOUND))
            self.send_header("Content-Length", str(len(octets)))
            self.send_header("Last-Modified", modified)
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(octets)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Log nothing: the terminal shows the address."""

    return PageHandler


def _media_type(name: str) -> str:
    kind = "image/webp" if name.endswith(".webp") else guess_type(name)[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") or kind.endswith(("javascript", "json")) else kind
