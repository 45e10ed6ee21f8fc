"""Router of a server, for commands without a running server."""

from __future__ import annotations

from mailstack.accounts.directory import StoreDirectory
from mailstack.cli.store_runner import OpenStore, StoreRunner
from mailstack.cli.target import TargetServer
from mailstack.net.clock import ReactorClock
from mailstack.queue.route import Router


def clock() -> ReactorClock:
    """Clock for reading the time; a command has no reactor."""
    return ReactorClock(StoreRunner())  # type: ignore[arg-type]


def directory_of(target: TargetServer, server: OpenStore) -> StoreDirectory:
    """Directory of the local addresses."""
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
    """Router of the server."""
    return Router(directory_of(target, server))
