"""Options and variables (MH_…) of MailHog."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from mailstack.cli.compat.options import DevOverrides, Option, read_options


def _api(overrides: DevOverrides, option: str, value: str) -> None:
    """Sets the address of the pages too, because MailHog has one for both."""
    if "web" not in overrides.warned:
        overrides.listen(option, value, "web", 8025)
    elif not value.endswith(f":{overrides.at['web'].port}"):
        overrides.not_supported(option, f"the API is where the pages are, at port {overrides.at['web'].port}")


OPTIONS = (
    Option("smtp-bind-addr", partial(DevOverrides.listen, service="capture", usual=1025)),
    Option("ui-bind-addr", partial(DevOverrides.listen, service="web", usual=8025)),
    Option("api-bind-addr", _api),
    Option("cors-origin", DevOverrides.allow_origins),
    Option("auth-file", partial(DevOverrides.login_file, field="web_logins")),
)
"""Supported options of MailHog's last version; `removed` lists the unsupported ones."""


def read(words: Sequence[str], environ: Mapping[str, str], overrides: DevOverrides) -> None:
    """Reads options and variables over MailHog's ports, which are opened on loopback only."""
    overrides.at = {"capture": overrides.local(1025), "web": overrides.local(8025)}
    read_options(OPTIONS, words, environ, overrides, "MH_")
