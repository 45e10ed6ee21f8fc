"""Contradictions among settings with valid values."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import structs

from mailstack.config.model import Config
from mailstack.config.source import ConfigSource, KeyPath, Problem
from mailstack.config.syntax import port_of
from mailstack.config.values import read_web_url
from mailstack.net.proxy_protocol import PROXIED
from mailstack.store.postgresql import driver

SERVED = ("submission", "submissions", "mx", "lmtp", "pop3", "pop3s", "imap", "imaps", "web", "https")
"""Listeners of this version in the order of binding. The web pages are last, because they list all listeners."""


SMTP_PORT = 25

MAX_IN_ROWS = 1 << 20
"""Maximum octets of a content that is stored in the database with its letter."""
MIN_ORPHAN_AGE_S = 3600.0
"""Minimum seconds before an object without a row is removed; longer than any upload and commit."""
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"(?:[A-Za-z0-9._-]{1,64}/){1,8}")


def check(config: Config, source: ConfigSource) -> list[Problem]:
    """Return all contradictions. Reads files, never uses the network."""
    return [
        *_names(config, source),
        *_listeners(config, source),
        *_certificate(config, source),
        *_smart_host(config, source),
        *_logins(config, source),
        *_outward(config, source),
        *_allowed_domains(config, source),
        *_schedule(config, source),
        *_timeouts(config, source),
        *_relay(config, source),
        *_workers(config, source),
        *_postgresql(config, source),
        *_contents(config, source),
        *_policy(config, source),
        *_authentication(config, source),
        *_webhooks(config, source),
        *_tls_reports(config, source),
    ]


def _allowed_domains(config: Config, source: ConfigSource) -> Iterator[Problem]:
    relay = config.relay
    if relay.when_not_allowed == "capture" and relay.allowed_domains and relay.capture_to is None:
        cure = 'name an account here, as capture_to = "staging@home.test"'
        yield source.problem(("relay", "when_not_allowed"), "there is no capture_to", cure)
    if relay.capture_to is not None and relay.capture_to.ascii_domain.lower() not in config.domains:
        problem = f"{relay.capture_to} is in none of `domains`"
        yield source.problem(("relay", "capture_to"), problem, "name an account here")


def _names(config: Config, source: ConfigSource) -> Iterator[Problem]:
    if not config.hostname:
        cure = 'set it, as hostname = "mx.home.test"'
        yield source.problem(("hostname",), "this machine's own name is no domain name", cure)
    listening = [name for name in ("submission", "submissions", "mx", "lmtp") if getattr(config.listen, name)]
    if listening and not config.domains:
        problem = f"is empty, so that {', '.join(listening)} could accept no message"
        yield source.problem(("domains",), problem, 'name your domains, as domains = ["home.test"]')


def _listeners(config: Config, source: ConfigSource) -> Iterator[Problem]:
    used: dict[tuple[str, int], str] = {}
    for name, endpoints in structs.asdict(config.listen).items():
        for number, endpoint in enumerate(endpoints):
            if endpoint.startswith(PROXIED) and not config.proxy.networks:
                problem = f'"{endpoint}" accepts no client, since proxy.networks is empty'
                yield source.problem(("listen", name), problem, "name your load balancers there", item=f"[{number}]")
            port = port_of(endpoint)
            if port is None or port[1] == 0:
                continue
            if name == "lmtp" and port[1] == SMTP_PORT:
                problem = "LMTP must never be on port 25, where hosts expect SMTP (RFC 2033 §5)"
                yield source.problem(
                    ("listen", name), problem, 'write "tcp:24" or "unix:/run/mailstack/lmtp"', item=f"[{number}]"
                )
            if port in used:
                problem = f'"{endpoint}" is listened on by {used[port]} too'
                yield source.problem(("listen", name), problem, item=f"[{number}]")
            used.setdefault(port, name)


def _workers(config: Config, source: ConfigSource) -> Iterator[Problem]:
    """Each worker makes connections to a host; together they make no more than the limits allow."""
    count, relay = config.workers.count, config.relay
    smallest = min(("concurrency", "per_destination"), key=lambda name: int(getattr(relay, name)))
    if count > getattr(relay, smallest):
        problem = f"{count} workers can't share relay.{smallest} = {getattr(relay, smallest)}: each opens connections of its own"
        yield source.problem(("workers", "count"), problem, "have fewer workers, or allow more connections")


MIN_LOST_AFTER_S = 2.0
"""Minimum seconds of silence before a process counts as dead."""


def _postgresql(config: Config, source: ConfigSource) -> Iterator[Problem]:
    """Check that a process renews its lease four times in `lost_after`, with time for a busy database."""
    section = config.postgresql
    if config.store.url and (lacking := driver.missing()) is not None:
        yield source.problem(("store",), f"needs {lacking.what}", lacking.cure)
    if section.lost_after < max(MIN_LOST_AFTER_S, section.connect_timeout * 2):
        problem = "is so short that a process would be taken for dead that only waits"
        minimum = max(MIN_LOST_AFTER_S, section.connect_timeout * 2)
        yield source.problem(("postgresql", "lost_after"), problem, f"allow {minimum:g} s or more")
    for name in ("connect_timeout", "timeout"):
        if getattr(section, name) < 1:
            yield source.problem(("postgresql", name), "is less than a second", "allow some seconds")


def _certificate(config: Config, source: ConfigSource) -> Iterator[Problem]:
    tls = config.tls
    for name, other in (("certificate", "key"), ("key", "certificate")):
        path: Path | None = getattr(tls, name)
        if path is not None and getattr(tls, other) is None:
            yield source.problem(("tls", name), f"needs tls.{other} as well", "set both, or none")
        if path is not None and not path.is_file():
            yield _no_file(source, ("tls", name), path)
    for number, each in enumerate(tls.certificates):
        for name, path in (("certificate", each.certificate), ("key", each.key)):
            if path is None:
                yield source.problem(("tls", "certificates"), f"needs {name}", "set both", item=f"[{number}]")
            elif not path.is_file():
                yield _no_file(source, ("tls", "certificates"), path)
    if tls.client_ca is not None and not tls.client_ca.is_file():
        yield _no_file(source, ("tls", "client_ca"), tls.client_ca)
    if tls.urgent_before > tls.warn_before:
        yield source.problem(("tls", "urgent_before"), "must not be longer than warn_before")


def _outward(config: Config, source: ConfigSource) -> Iterator[Problem]:
    relay = config.relay
    for name, other in (("certificate", "key"), ("key", "certificate")):
        path: Path | None = getattr(relay, name)
        if path is not None and getattr(relay, other) is None:
            yield source.problem(("relay", name), f"needs relay.{other} as well", "set both, or none")
        if path is not None and not path.is_file():
            yield _no_file(source, ("relay", name), path)
    for name, version, other in (
        ("source_address", ":", "source_address6"),
        ("source_address6", ".", "source_address"),
    ):
        if version in getattr(relay, name):
            yield source.problem(("relay", name), "is an address of the other family", f"write it into {other}")
    for number, each in enumerate(relay.sources):
        if ":" in each.source_address or "." in each.source_address6:
            problem = "source_address is for IPv4, and source_address6 for IPv6"
            yield source.problem(("relay", "sources"), problem, item=f"[{number}]")
        if not (each.source_address or each.source_address6 or each.ehlo_name):
            yield source.problem(("relay", "sources"), "says nothing", "give an address, or a name", item=f"[{number}]")
    if relay.dane and not relay.nameservers:
        cure = 'name one that you trust, as nameservers = ["127.0.0.1"]'
        yield source.problem(("relay", "dane"), "needs a resolver that validates DNSSEC", cure)


def _smart_host(config: Config, source: ConfigSource) -> Iterator[Problem]:
    hosts, file, ca_file = config.relay.smart_host, config.relay.smart_host_password_file, config.relay.ca_file
    key, tokens = ("relay", "smart_host_password_file"), config.relay.smart_host_token_file
    users = [host.credentials for host in hosts if host.credentials is not None]
    for user in users:
        if not user.password and file is None and tokens is None:
            cure = "name a file with it in smart_host_password_file, or with a token in smart_host_token_file"
            yield source.problem(("relay", "smart_host"), f"the password of {user.username} is missing", cure)
    if file is not None and not users:
        yield source.problem(key, "needs a smart_host with a user", 'as smart_host = "smtp://user@host:587"')
    token_key = ("relay", "smart_host_token_file")
    if tokens is not None and file is not None:
        yield source.problem(token_key, "stands beside smart_host_password_file", "keep one of the two")
    if tokens is not None and not any(user.token_file for user in users):
        yield source.problem(token_key, "needs a smart_host with a user and no password", 'as "smtp://user@host:587"')
    elif tokens is not None and not tokens.is_file():
        yield _no_file(source, token_key, tokens)
    if ca_file is not None and not ca_file.is_file():
        yield _no_file(source, ("relay", "ca_file"), ca_file)


def _logins(config: Config, source: ConfigSource) -> Iterator[Problem]:
    accounts, oauth, table = config.accounts, config.accounts.oauth, ("accounts", "oauth")
    if (accounts.certificates or accounts.certificate_names) and config.tls.client_ca is None:
        key = "certificates" if accounts.certificates else "certificate_names"
        yield source.problem(("accounts", key), "needs tls.client_ca", "name the CA that the certificates are of")
    sources = [name for name in ("jwks", "jwks_url", "introspection") if getattr(oauth, name)]
    if not oauth.issuer:
        if oauth.audience or sources:
            yield source.problem((*table, "issuer"), "is empty", 'set it to the "iss" of the tokens')
        return
    if not oauth.audience:
        yield source.problem((*table, "audience"), "is empty", 'set it to the "aud" of tokens for this server')
    if len(sources) != 1:
        yield source.problem((*table, "issuer"), "needs one of jwks, jwks_url and introspection")
    for name in ("jwks_url", "introspection"):
        url = getattr(oauth, name)
        if url and not url.startswith(_SAFE_URLS):
            yield source.problem((*table, name), f'"{url}" is not an https URL', "tokens are as good as passwords")
    for name in ("jwks", "client_secret_file"):
        path: Path | None = getattr(oauth, name)
        if path is not None and not path.is_file():
            yield _no_file(source, (*table, name), path)


_SAFE_URLS = ("https://", "http://127.0.0.1:", "http://[::1]:")
"""Prefixes of URLs that need no further protection: HTTPS, or the loopback interface."""


def _no_file(source: ConfigSource, key: KeyPath, path: Path) -> Problem:
    return source.problem(key, f"there is no file {path}", "paths are relative to this file")


def _schedule(config: Config, source: ConfigSource) -> Iterator[Problem]:
    schedule, key = config.relay.schedule, ("relay", "schedule")
    if schedule.first <= 0:
        yield source.problem((*key, "first"), "must be longer than 0", 'write at least "1s"')
    if schedule.longest < schedule.first:
        yield source.problem((*key, "longest"), "must not be shorter than first")
    if schedule.give_up_after <= 0:
        yield source.problem((*key, "give_up_after"), "must be longer than 0", 'RFC 5321 §4.5.4.1 wants "4d" or more')
    if config.accounts.longest_delay < config.accounts.failure_delay:
        yield source.problem(("accounts", "longest_delay"), "must not be shorter than failure_delay")


_TIMEOUTS = (
    *[("limits", name) for name in ("command_timeout", "data_timeout", "session_time", "pop3_idle", "busy_timeout")],
    *[("imap", name) for name in ("login_timeout", "idle_timeout", "write_timeout", "search_timeout", "keep_alive")],
    ("proxy", "timeout"),
    ("web", "request_timeout"),
)


def _timeouts(config: Config, source: ConfigSource) -> Iterator[Problem]:
    for section, name in _TIMEOUTS:
        if getattr(getattr(config, section), name) <= 0:
            yield source.problem((section, name), "must be longer than 0", "every wait has an end")


def _relay(config: Config, source: ConfigSource) -> Iterator[Problem]:
    relay = config.relay
    if relay.per_destination > relay.concurrency:
        yield source.problem(("relay", "per_destination"), "must not be greater than concurrency")
    if relay.first_per_destination > relay.per_destination:
        yield source.problem(("relay", "first_per_destination"), "must not be greater than per_destination")
    if relay.host_backoff_longest < relay.host_backoff_first:
        yield source.problem(("relay", "host_backoff_longest"), "must not be shorter than host_backoff_first")


def _contents(config: Config, source: ConfigSource) -> Iterator[Problem]:
    section = config.contents
    if not section.bucket:
        if section.endpoint or section.access_key:
            yield source.problem(("contents", "bucket"), "is empty, so that nothing goes there", "name the bucket")
        return
    if not _BUCKET.fullmatch(section.bucket):
        problem = "is no name of a bucket: 3 to 63 of a-z, 0-9, '-' and '.'"
        yield source.problem(("contents", "bucket"), problem, "make one with such a name")
    try:
        read_web_url(section.endpoint or "https://amazon.test")
    except ValueError:
        problem = "is no URL of a server, without user and password"
        yield source.problem(("contents", "endpoint"), problem, 'write it as "https://s3.example.org"')
    if section.prefix and not _PREFIX.fullmatch(section.prefix):
        problem = "is no prefix of keys: letters, digits, '-', '_', '.' and '/', with a '/' at its end"
        yield source.problem(("contents", "prefix"), problem, 'write it as "mail/"')
    if section.above > MAX_IN_ROWS:
        problem = f"is more than {MAX_IN_ROWS}: what is below it is held in memory, and in a row"
        yield source.problem(("contents", "above"), problem, 'set it to "1MiB" or less')
    if section.orphan_age < MIN_ORPHAN_AGE_S:
        problem = "is so short that a message that is just being accepted could lose its content"
        yield source.problem(("contents", "orphan_age"), problem, "allow an hour or more")
    if bool(section.access_key) is not bool(section.secret_key_file):
        problem = "access_key and secret_key_file belong together"
        yield source.problem(("contents", "access_key"), problem, "give both, or none for what the environment says")
    if importlib.util.find_spec("boto3") is None:
        yield source.problem(("contents", "bucket"), "needs boto3", "pip install 'mailstack[s3]'")


def _policy(config: Config, source: ConfigSource) -> Iterator[Problem]:
    if config.policy.dns_timeout <= 0:
        yield source.problem(("policy", "dns_timeout"), "must be longer than 0", "every wait has an end")
    greylist = config.policy.greylist
    if not greylist.delay < greylist.retry < greylist.keep:
        yield source.problem(("policy", "greylist", "delay"), "must be shorter than retry, and retry than keep")


def _authentication(config: Config, source: ConfigSource) -> Iterator[Problem]:
    if config.authentication.timeout <= 0:
        yield source.problem(("authentication", "timeout"), "must be longer than 0", "every wait has an end")
    key, used = ("dkim", "keys"), set[str]()
    for number, each in enumerate(config.dkim.keys):
        item = f"[{number}]"
        if not each.selector or each.file is None:
            cure = "`mailstack dkim generate` makes a key, and says what to write"
            yield source.problem(key, "needs selector and file", cure, item=item)
        elif not each.file.is_file():
            yield source.problem(key, f"there is no file {each.file}", "paths are relative to this file", item=item)
        if each.selector in used:
            yield source.problem(key, f"{each.selector} is there twice", "a selector names one key", item=item)
        used.add(each.selector)


def _tls_reports(config: Config, source: ConfigSource) -> Iterator[Problem]:
    section, key = config.tls_reports, ("tls_reports",)
    if section.send == "on" and not (config.dkim.keys and config.domains):
        cure = "`mailstack dkim generate` makes a key; a report that is not signed is not believed (RFC 8460 §3)"
        yield source.problem((*key, "send"), "needs a key in [[dkim.keys]], and domains", cure)
    if section.author is not None and section.author.ascii_domain.lower() not in config.domains:
        yield source.problem((*key, "author"), f"{section.author} is in none of `domains`", "name an address here")


_HERE = ("127.0.0.1", "::1", "localhost")


def _webhooks(config: Config, source: ConfigSource) -> Iterator[Problem]:
    key, used = ("webhooks",), set[str]()
    for number, each in enumerate(config.webhooks):
        item = f"[{number}]"
        if not each.name or not each.url:
            yield source.problem(key, "needs name and url", item=item)
        if each.name in used:
            yield source.problem(key, f"{each.name} is there twice", "a name is of one webhook", item=item)
        used.add(each.name)
        if each.url.startswith("http://") and not each.allow_http and urlsplit(each.url).hostname not in _HERE:
            problem = f"{each.url} sends senders and recipients unencrypted"
            yield source.problem(key, problem, "write https://, or allow_http = true", item=item)
        for path in (each.secret_file, each.ca_file):
            if path is not None and not path.is_file():
                yield source.problem(key, f"there is no file {path}", "paths are relative to this file", item=item)
        if min(each.timeout, each.first, each.give_up_after) <= 0 or each.longest < each.first:
            problem = "timeout, first and give_up_after must be longer than 0, and longest not shorter than first"
            yield source.problem(key, problem, item=item)
