"""Privileged setup: opens keys, certificates and store as root."""

from __future__ import annotations

import logging
import os
import re
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from msgspec import Struct

from mailstack.accounts.scram_checker import server_secret
from mailstack.config import Config
from mailstack.config.derived import WorkerSlot, signing_keys
from mailstack.config.values import read_node_name
from mailstack.net.certificates import TlsError
from mailstack.net.client_tls import ClientTls
from mailstack.net.process import raise_limit, shortfall
from mailstack.net.server_tls import ServerContext
from mailstack.policy.authentication.dkim import SigningKey
from mailstack.policy.authentication.keys import InvalidKey
from mailstack.server.wiring.certificates import client_secret, issue, server_context
from mailstack.server.wiring.store import server_store
from mailstack.store import StoreError
from mailstack.store.sql_store import SqlStore

_log = logging.getLogger(__name__)

POLICIES = "mta-sts"
"""Directory of MTA-STS policies in a data directory."""


class CannotStart(Exception):
    """The server cannot start; str() has the reason and the remedy."""


class ServiceUser(Struct, frozen=True):
    """User and group of the process after its start as root. -1: no change."""

    uid: int = -1
    gid: int = -1


class PrivilegedResources(Struct, frozen=True):
    """Keys, certificates and store of a server, opened once for all its processes."""

    store: SqlStore
    """Store, not open yet; it holds the lock of its directory against other servers."""
    context: ServerContext
    """TLS contexts with the certificates for clients."""
    client_tls: ClientTls
    secret: bytes
    """Secret key of this server."""
    token_secret: str
    """Client secret for the token issuer. Empty: no secret."""
    keys: tuple[SigningKey, ...]
    """DKIM keys that sign letters of users."""
    node: str = ""
    """Name of this node of a server on several machines. Empty: one machine."""


def prepare(config: Config, reactor: Any, owner: ServiceUser | None) -> PrivilegedResources:
    """Open all resources; new files in the data directory belong to `owner`. Raises CannotStart."""
    too_few = shortfall(raise_limit(), config.limits.connections, config.relay.concurrency)
    if too_few:
        _log.warning("%s", too_few)
    try:
        with _owned_by(owner, config.data):
            config.data.mkdir(mode=0o700, parents=True, exist_ok=True)
            node = node_name(config)
            store = server_store(config, reactor, WorkerSlot(node=node))
            store.lock_server()
            issue(config, reactor.seconds())
            (config.data / POLICIES).mkdir(mode=0o700, exist_ok=True)
            secret = server_secret(config.data)
        client_tls = ClientTls(config.relay.ca_file, certificate=config.relay.certificate, key=config.relay.key)
        # Errors of client certificates are reported at the start, not with the first letter.
        client_tls.check()
        return PrivilegedResources(
            store,
            server_context(config),
            client_tls,
            secret,
            client_secret(config.accounts.oauth),
            tuple(signing_keys(config)),
            node,
        )
    except OSError as error:
        reason = f"{config.data}: {error.strerror}; `data` must be a directory that this user can write"
        raise CannotStart(reason) from error
    except ValueError:
        raise CannotStart(
            f"{config.data / 'node'}: not a valid node name; remove the file, or set postgresql.node"
        ) from None
    except (StoreError, TlsError, InvalidKey) as error:
        raise CannotStart(str(error)) from error


def node_name(config: Config) -> str:
    """Node name of the configuration, or generated at the first start. Empty: the store is SQLite. A generated name has
    a random part, because two machines may have one host name. Raises OSError.
    """
    if not config.store.url or config.postgresql.node:
        return config.postgresql.node if config.store.url else ""
    path = config.data / "node"
    with suppress(FileExistsError), path.open("x") as file:
        machine = re.sub(r"[^a-z0-9-]", "", socket.gethostname().partition(".")[0].lower())[:20]
        file.write(f"{machine or 'node'}-{secrets.token_hex(4)}\n")
    return read_node_name(path.read_text("ascii", "replace").strip() or "?")


@contextmanager
def _owned_by(owner: ServiceUser | None, data: Path) -> Iterator[None]:
    """Change the owner of new files in the data directory to the service user."""
    before = _parts(data)
    yield
    if owner is not None:
        for path in _parts(data) - before:
            os.chown(path, owner.uid, owner.gid, follow_symlinks=False)


def _parts(data: Path) -> set[Path]:
    """Return the data directory, its files, and the key files that exist before the store is opened."""
    return {path for path in (data, *data.glob("*"), *data.glob("tls/*")) if path.exists()}
