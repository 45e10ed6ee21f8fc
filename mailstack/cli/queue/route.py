"""Router of a server, for commands that create letters."""

from __future__ import annotations

from mailstack.accounts.directory import StoreDirectory
from mailstack.cli.store_runner import OpenStore, StoreRunner
from mailstack.cli.target import TargetServer
from mailstack.net.clock import ReactorClock
from mailstack.queue.route import Router


def clock() -> ReactorClock:
    """One of which only the time is asked: a command has no reactor."""
    return ReactorClock(StoreRunner())  # type: ignore[arg-type]


def directory_of(target: TargetServer, server: OpenStore) -> StoreDirectory:
    """Who lives there."""
    settings = target.settings
    if settings is None:
        return StoreDirectory(server.store, target.domains, clock())
    delivery = settings.delivery
    return StoreDirectory(
        server.store,
        target.domains,
        clock(),
        postmaster=delivery.postmaster,
        administrators=settings.web.admins,
        subaddress=delivery.subaddress,
    )


def router_of(target: TargetServer, server: OpenStore) -> Router:
    """Which way a recipient goes."""
    return Router(directory_of(target, server))
