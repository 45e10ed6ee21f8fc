"""Passwords, authenticators and directory of a configuration."""

from __future__ import annotations

from typing import Any

from twisted.cred.portal import Portal

from mailstack.accounts.authenticator import CredAuthenticator, UserAccess
from mailstack.accounts.checker import StoreChecker
from mailstack.accounts.directory import StoreDirectory
from mailstack.accounts.passwords import Passwords
from mailstack.accounts.realm import IReader, ISubmitter, Realm
from mailstack.accounts.scram_checker import ScramChecker
from mailstack.accounts.throttle import Throttle
from mailstack.config.derived import WorkerSlot
from mailstack.config.model import Config
from mailstack.net.clock import ReactorClock
from mailstack.server.privileged_setup import PrivilegedResources
from mailstack.server.runtime import WorkerResources
from mailstack.server.wiring.certificates import certificate_checkers, token_checkers
from mailstack.store.sql_store import SqlStore


def make_passwords(config: Config, reactor: Any, clock: ReactorClock, slot: WorkerSlot) -> Passwords:
    """Password hashing in threads, with this worker's share of the limits."""
    accounts = config.accounts
    return Passwords(
        reactor,
        clock,
        rounds=accounts.bcrypt_rounds,
        scram_iterations=accounts.scram_iterations,
        threads=max(1, slot.share(accounts.threads)),
        queue_limit=max(1, slot.share(accounts.queue)),
        remember=accounts.remember,
    )


def make_directory(config: Config, store: SqlStore, clock: ReactorClock) -> StoreDirectory:
    """Accounts and aliases of the store."""
    delivery = config.delivery
    return StoreDirectory(
        store.accounts,
        config.domains,
        clock,
        postmaster=delivery.postmaster,
        administrators=config.web.admins,
        subaddress=delivery.subaddress,
    )


def make_user_access(  # noqa: PLR0917  # dependencies, each of a type of its own
    config: Config,
    reactor: Any,
    clock: ReactorClock,
    store: SqlStore,
    privileged: PrivilegedResources,
    workers: WorkerResources,
    passwords: Passwords,
    directory: StoreDirectory,
) -> UserAccess:
    """Logins by password, SCRAM, token and client certificate."""
    accounts, counters = config.accounts, workers.counters
    scram = ScramChecker(store.accounts, privileged.secret, accounts.scram_iterations) if accounts.scram else None
    tokens = token_checkers(config, store.accounts, clock, reactor, privileged.token_secret)
    checkers = [StoreChecker(store.accounts, passwords), *tokens, *certificate_checkers(config, store.accounts)]
    portal = Portal(Realm(), [*checkers, scram] if scram is not None else checkers)
    throttle = Throttle(
        clock,
        first=accounts.failure_delay,
        max_delay=accounts.longest_delay,
        shared=accounts.shared_failures,
        tables=(counters.failures, counters.login_addresses),
    )
    submitters, readers = (
        CredAuthenticator(portal, clock, throttle, config.domains, avatar, key_source=scram, accounts=store.accounts)
        for avatar in (ISubmitter, IReader)
    )
    return UserAccess(submitters, readers, directory)
