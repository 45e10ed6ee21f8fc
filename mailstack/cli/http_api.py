"""HTTP API of a dev environment, called by commands."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

from mailstack.cli.output import CommandError
from mailstack.cli.target import TargetServer

TIMEOUT_S = 600.0
"""Seconds for an answer; ten years of retries may take a while."""


def request(target: TargetServer, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    """JSON answer of the HTTP API of a dev environment. Raises CommandError with its `detail`."""
    web = target.facts.get("web")
    if not web:
        raise CommandError("the dev environment is not running; start one with `mailstack dev`")
    octets = None if body is None else json.dumps(body).encode()
    fields = {"Content-Type": "application/json", **_login(target.facts.get("login"))}
    request = Request(f"{str(web).rstrip('/')}{path}", octets, fields, method=method)  # noqa: S310 - our own environment's
    # The environment is on this machine: no proxy is needed.
    opener = build_opener(ProxyHandler({}))
    try:
        with opener.open(request, timeout=TIMEOUT_S) as answer:
            return json.load(answer)
    except HTTPError as error:
        raise CommandError(_detail(error.read(65536)) or f"{path}: {error.reason}") from None
    except (URLError, OSError, ValueError) as error:
        raise CommandError(f"{web} does not answer: {getattr(error, 'reason', error)}") from None


def _login(login: Mapping[str, str] | None) -> dict[str, str]:
    """Header field of Basic authentication (RFC 7617)."""
    if not login:
        return {}
    given = b64encode(f"{login['username']}:{login['password']}".encode()).decode()
    return {"Authorization": f"Basic {given}"}


def _detail(octets: bytes) -> str:
    try:
        return str(json.loads(octets)["detail"])
    except (ValueError, KeyError, TypeError):
        return ""
