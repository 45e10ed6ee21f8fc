"""Web site options of a configuration."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from mailstack.accounts.directory import StoreDirectory
from mailstack.accounts.password_rules import check_password
from mailstack.accounts.passwords import Passwords
from mailstack.config import Config
from mailstack.net.thread_pool import BoundedPool

if TYPE_CHECKING:
    from mailstack.web.admin_hooks import WebOptions


def web_options(
    config: Config, passwords: Passwords, directory: StoreDirectory, secret: bytes, pool: BoundedPool
) -> WebOptions | None:
    """Management of accounts by HTTP. None: the server has no web listener."""
    if not config.listen.web and not config.listen.https:
        return None
    # Only a server with a site loads it.
    from mailstack.web.admin_hooks import AdminHooks, WebOptions  # noqa: PLC0415

    admin = AdminHooks(
        keep_password=passwords.keep,
        check_password=partial(check_password, min_length=config.accounts.min_password_length),
        forget=directory.forget,
    )
    return WebOptions(admin, session_secret=secret, in_thread=pool.run)
