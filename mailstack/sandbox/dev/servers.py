"""Servers of a dev environment, with their configurations and web site."""
# ruff: noqa: PLC0415 - the site is loaded with its first request

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mailstack.accounts.authenticator import UserAccess
from mailstack.accounts.directory import Directory
from mailstack.config import (
    AccountsSettings,
    AuthenticationSettings,
    ClientsSettings,
    Config,
    ExchangeSettings,
    LimitsSettings,
    ListenSettings,
    RelaySettings,
    ScreenshotsSettings,
    SubmissionSettings,
    WebSettings,
)
from mailstack.config.syntax import Endpoint, Size
from mailstack.config.values import HostName, Keyword
from mailstack.letter import Address, LetterId
from mailstack.letter.delivery import Journal
from mailstack.letter.envelope import HostPort
from mailstack.letter.times import Duration
from mailstack.mailbox.index.expunge import IndexedMailboxes
from mailstack.net.connector import TwistedConnector
from mailstack.net.dns import DnsNames, system_names
from mailstack.policy.counters import single_process
from mailstack.relay.external_relay import ExternalRelay, LoopbackOnly, is_loopback
from mailstack.relay.routes import StaticRoutes
from mailstack.sandbox.dev.capture_access import SharedInbox
from mailstack.sandbox.dev.parts import EnvironmentParts
from mailstack.sandbox.dev.settings import ABOUT, CAPTURE, HOME, HOME_DOMAIN, PORTS, RELAY, USERS, WORLD, DevSettings
from mailstack.sandbox.faults.install import with_disk_faults, with_faults
from mailstack.sandbox.imap.profile_peer import with_imap_profile
from mailstack.server.mail_server import MailServer
from mailstack.server.runtime import Observers, Runtime, Storage, WorkerResources

if TYPE_CHECKING:
    from mailstack.sandbox.dev.api import ServerInfo
    from mailstack.web.api.events import StreamLimits
    from mailstack.web.context import SiteExtension, WebOptions
    from mailstack.web.http_messages import HttpRoute
    from mailstack.web.submission import LetterRelease


class Servers:
    """All servers of one environment, by host name."""

    def __init__(self, parts: EnvironmentParts) -> None:
        self.all: dict[str, MailServer] = {}
        self.services: dict[str, HostPort] = {}
        """Addresses of the services that users connect to."""
        self.journal: Journal
        """Journal of all servers; set before `add`."""
        self._parts = parts

    def add(
        self, config: Config, directory: Directory, web: WebOptions | None = None, outlet: ExternalRelay | None = None
    ) -> MailServer:
        """A new server; only one with an `outlet` may connect to other machines, and only to that relay."""
        parts, name = self._parts, config.hostname
        reactor, clock, store = parts.reactor, parts.clock, parts.store
        connector = TwistedConnector(reactor)
        runtime = Runtime(
            reactor,
            clock,
            LoopbackOnly(connector) if outlet is None else LoopbackOnly(connector, relay_port=outlet.port),
            DnsNames(parts.zone, reactor) if outlet is None else system_names(reactor),
            parts.context,
        )
        imitated = with_imap_profile(runtime, parts.settings.provider, store)
        shared: Any = SharedInbox(store.mailboxes, parts.index) if parts.settings.pop3_logins else None
        faulty = with_disk_faults(store, parts.faults, name, clock)
        imap_mailboxes: Any = IndexedMailboxes(faulty.mailboxes, parts.index)
        submitters, readers = parts.accounts.authenticators()
        server = MailServer(
            config,
            with_faults(imitated, parts.faults, name, store, parts.bad_certificates),
            Storage(faulty, shared, imap_mailboxes),
            UserAccess(submitters, readers, directory, parts.accounts.web_authenticator(), server_of_mailbox),
            Observers(parts.index.tap(self.journal), parts.index, parts.log.record),
            WorkerResources(single_process(clock)),
            web,
        )
        self.all[name] = server
        return server

    async def start(self) -> None:
        for server in self.all.values():
            await server.start()

    async def stop(self, timeout: float) -> None:
        """Stops all servers; open sessions have `timeout` seconds to finish."""
        for server in self.all.values():
            await server.stop(timeout)

    def infos(self) -> list[ServerInfo]:
        """Names, domains and addresses of all servers."""
        from mailstack.sandbox.dev.api import ServerInfo

        return [
            ServerInfo(
                name,
                ABOUT[server.config.hostname],
                tuple(server.config.domains),
                {
                    service: listener.addresses[0]
                    for service, listener in server.listeners.bound.items()
                    if listener.addresses
                },
            )
            for name, server in self.all.items()
        ]

    def letter_release(self) -> LetterRelease:
        """Release of letters to the external relay of the settings."""
        from mailstack.web.submission import LetterRelease, WebSubmission

        clock, outlet = self._parts.clock, self._parts.settings.relay
        assert outlet is not None
        return LetterRelease(outlet, WebSubmission(self.all[RELAY].exchange, clock), clock)

    @property
    def relay(self) -> LetterRelease | None:
        """Release of letters to the external relay. None: no relay is set."""
        return None if self._parts.settings.relay is None else self.letter_release()

    async def release(self, author: str, recipients: Sequence[str], octets: bytes, of: LetterId) -> LetterId:
        """Releases a letter to the external relay. Raises Refusal, and ValueError for recipients that are not allowed."""
        assert self.relay is not None
        if refused := [each for each in recipients if not self.relay.outlet.allows(each)]:
            raise ValueError(f"The relay does not accept {', '.join(refused)}.")
        return await self.relay.release(author, recipients, octets, of)


def server_of_mailbox(mailbox: str) -> str:
    """Server that reports reading of a mailbox: the POP3 and IMAP ports of home open the mailboxes of both."""
    return HOME if mailbox.endswith(f"@{HOME_DOMAIN}") else WORLD


NO_AUTHENTICATION = AuthenticationSettings(spf=False, dkim=False, dmarc=False, arc=False)
"""Disabled checks: the DNS of the environment has no SPF, DKIM or DMARC records."""
NO_TARPIT = LimitsSettings(tarpit=Duration(0))


def home_config(settings: DevSettings, data: Path, world_port: int) -> Config:
    """Configuration of home, which relays to `world_port`."""
    at = {name: (endpoint_of(settings, name),) for name in PORTS}
    listen = ListenSettings(**{name: endpoints for name, endpoints in at.items() if name != "capture"})
    web = WebSettings(
        hosts=tuple(HostName(name) for name in settings.web_hosts),
        admins=tuple([Address(user, HOME_DOMAIN) for user in USERS]),
        cors=settings.cors,
    )
    return Config(
        hostname=HOME,
        data=data,
        domains=(HOME_DOMAIN,),
        listen=listen,
        clients=ClientsSettings(host=HostName("localhost")),
        web=web,
        # The letters are those of the applications under test.
        screenshots=ScreenshotsSettings(browser=settings.browser, require_sandbox=False),
        accounts=AccountsSettings(require_tls=not settings.clear_logins),
        submission=SubmissionSettings(check_from="allow"),  # applications write any From
        relay=RelaySettings(port=world_port, schedule=settings.schedule),
        limits=NO_TARPIT,
        authentication=NO_AUTHENTICATION,
        imap=settings.imap,
    )


def world_config(settings: DevSettings, data: Path, routes: StaticRoutes) -> Config:
    """Configuration of the server for all other domains, which relays to home by `routes`."""
    return Config(
        hostname=WORLD,
        data=data,
        relay=RelaySettings(routes=routes, schedule=settings.schedule),
        limits=NO_TARPIT,
        authentication=NO_AUTHENTICATION,
    )


def capture_config(settings: DevSettings, data: Path) -> Config:
    """Configuration of the capture port."""
    size = None if settings.max_size is None else Size(settings.max_size)
    # Many clients use STARTTLS unasked, and then refuse the certificate of the private CA. A password may need TLS.
    withhold = () if settings.smtp_logins else (Keyword("STARTTLS"),)
    return Config(
        hostname=CAPTURE,
        data=data,
        exchange=ExchangeSettings(max_size=size, max_recipients=settings.max_recipients, withhold=withhold),
        limits=NO_TARPIT,
        authentication=NO_AUTHENTICATION,
    )


def endpoint_of(settings: DevSettings, service: str) -> Endpoint:
    if (at := settings.at.get(service)) is not None:
        return endpoint(at.host or settings.host, at.port)
    return endpoint(settings.host, settings.port_base + PORTS[service] if settings.port_base else 0)


def endpoint(host: str, port: int = 0) -> Endpoint:
    """TCP endpoint on a local address. Port 0: a free port."""
    interface = host.replace(":", "\\:")
    return Endpoint(f"tcp:{port}:interface={interface}")


def dev_site(parts: EnvironmentParts, servers: Servers) -> WebOptions:
    """Options of the pages; on loopback they need no login."""
    from mailstack.web.context import AdminHooks, WebOptions

    settings, accounts = parts.settings, parts.accounts
    admin = AdminHooks(
        hash_password=accounts.passwords.hash,
        invalidate_directory=accounts.directory.invalidate,
        head=parts.head,
        check_spam=parts.check_spam if settings.spam_filter else None,
        release=servers.release if settings.relay else None,
    )
    return WebOptions(
        admin,
        in_thread=parts.web_pool.run,
        extend=partial(_extend, parts, servers),
        no_login=(settings.open or is_loopback(settings.web_host)) and not settings.web_logins,
        any_host=settings.open,
        host_advice="start `mailstack dev` with --web-host NAME, or with --open",
        shown_accounts=settings.accounts,
    )


async def _extend(parts: EnvironmentParts, servers: Servers, streams: StreamLimits) -> SiteExtension:
    await parts.in_thread(partial(import_module, "mailstack.sandbox.compat.routes"))
    from mailstack.sandbox.dev.api import environment_routes
    from mailstack.web.context import SiteExtension

    api = environment_routes(servers.infos, parts.zone, parts.travel, parts.faults, parts.log)
    return SiteExtension(api, compat_routes(parts, servers, streams))


def compat_routes(parts: EnvironmentParts, servers: Servers, streams: StreamLimits) -> tuple[HttpRoute, ...]:
    """Routes of the Mailpit, MailHog and GreenMail APIs."""
    from mailstack.sandbox.compat.context import CompatAccounts, CompatContext
    from mailstack.sandbox.compat.routes import tool_routes
    from mailstack.web.compose import ComposeLimits
    from mailstack.web.submission import WebSubmission

    settings, clock, accounts = parts.settings, parts.clock, parts.accounts
    capture, home = servers.all[CAPTURE], servers.all[HOME]
    submission = home.config.submission
    return tool_routes(
        CompatContext(
            index=parts.index,
            clock=clock,
            in_thread=parts.web_pool.run,
            limits=ComposeLimits(
                settings.max_size or submission.max_size, settings.max_recipients or submission.max_recipients
            ),
            capture=WebSubmission(capture.exchange, clock),
            outward=WebSubmission(home.exchange, clock),
            letter_release=servers.relay,
            relay=settings.relay,
            faults=parts.faults,
            head=parts.head,
            stream_limits=streams,
            counters=parts.counters,
            senders=accounts.senders(),
            check_spam=parts.check_spam if settings.spam_filter else None,
            data=parts.data,
        ),
        CompatAccounts(
            parts.store,
            accounts.add,
            accounts.remove,
            accounts.reset,
            lambda: servers.services,
            HOME_DOMAIN,
            accounts.names,
            any_password=settings.any_password,
            preload=settings.preload,
        ),
        mailhog_first=settings.compat == "mailhog",
    )
