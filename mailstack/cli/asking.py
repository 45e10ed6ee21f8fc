"""Asks a running dev environment by its HTTP API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mailstack.cli.place import Place
from mailstack.cli.refusal import Refused

PATIENCE = 600.0
"""Seconds; ten years of retries may take a while."""


def ask(place: Place, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    """What it answers. Raises Refused, with what it says."""
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    web = place.facts.get("web")
    if not web:
        raise Refused("no dev environment runs here: start one with `mailstack dev`")
    octets = None if body is None else json.dumps(body).encode()
    request = Request(f"{str(web).rstrip('/')}{path}", octets, {"Content-Type": "application/json"}, method=method)  # noqa: S310
    try:
        with urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310 - the address is our own environment's
            return json.load(answer)
    except HTTPError as error:
        raise Refused(_why(error.read(65536)) or f"{path}: {error.reason}") from None
    except (URLError, OSError, ValueError) as error:
        raise Refused(f"{web} can't be asked: {getattr(error, 'reason', error)}") from None


def _why(octets: bytes) -> str:
    try:
        return str(json.loads(octets)["detail"])
    except (ValueError, KeyError, TypeError):
        return ""
