"""Whether the keys that sign letters can be used."""

from __future__ import annotations

from collections.abc import Iterator

from mailstack.cli.checks.finding import Finding, broken, good, warning
from mailstack.config import Config
from mailstack.config.key_files import signing_keys
from mailstack.policy.authentication.keys import InvalidKey


def check_keys(config: Config) -> Iterator[Finding]:
    """The files."""
    try:
        keys = signing_keys(config)
    except InvalidKey as trouble:
        yield broken("dkim", str(trouble))
        return
    for each in config.dkim.keys:
        if each.file is not None and each.file.stat().st_mode & 0o004:
            yield warning("dkim", f"everybody on this machine can read {each.file}; chmod o-r it")
    if keys and config.dkim.sign_relayed and config.relay.relay_from:
        yield warning(
            "dkim",
            f"any From of the keys' domains that comes from {', '.join(map(str, config.relay.relay_from))} is signed:"
            " [dkim] sign_relayed is true. Set it to false, unless you answer for all that these machines send.",
        )
    if keys:
        yield good("dkim", f"letters are signed with {', '.join([each.selector for each in keys])}")
