"""Policy chains of a server, from its configuration."""

from __future__ import annotations

from collections.abc import Callable

from mailstack.config import Config
from mailstack.letter import Address
from mailstack.policy.chain import OfClient, OfRecipient, OfSender, PolicyChain
from mailstack.policy.counters import CounterTable
from mailstack.policy.dns_checks import (
    ClientNames,
    DnsBlockLists,
    Lookups,
    RecipientDomain,
    ReverseDnsRequired,
    SenderDomain,
)
from mailstack.policy.greylist import Greylist, GreylistTimes
from mailstack.policy.limits import Rates
from mailstack.policy.networks import BlockList, parse_networks
from mailstack.policy.permissions import AllowedDomains
from mailstack.protocols.connection import Clock
from mailstack.store import Store


def client_policies(  # noqa: PLR0917  # collaborators, each of a type of its own
    config: Config, store: Store, clock: Clock, lookups: Lookups, names: ClientNames, table: CounterTable
) -> PolicyChain:
    """Chain for the MX: cheap policies first, greylisting last, for clients that pass all others."""
    policy, exchange = config.policy, config.exchange
    at_connection: list[OfClient] = []
    at_sender: list[OfSender] = []
    at_recipient: list[OfRecipient] = []
    if policy.block:
        block = BlockList(policy.block, lambda client: names.find(client.remote.host))
        if policy.refuse_at == "connection" and block.networks:
            at_connection.append(block.at_connection)
        at_recipient.append(block.at_recipient)
    if exchange.letters_per_hour or exchange.recipients_per_hour:
        rates = Rates(
            clock.steady, exchange.letters_per_hour, exchange.recipients_per_hour, table=table, service="exchange"
        )
        at_sender.append(rates.at_sender)
        at_recipient.append(rates.at_recipient)
    if policy.dnsbl:
        lists = DnsBlockLists(policy.dnsbl, lookups, clock.steady)
        if policy.refuse_at == "connection":
            at_connection.append(lists.at_connection)
        else:
            at_recipient.append(lists.at_recipient)
    if policy.sender_domain:
        at_sender.append(SenderDomain(lookups).at_sender)
    if policy.client_name:
        at_recipient.append(ReverseDnsRequired(lookups).at_recipient)
    if policy.greylist.enabled:
        times = policy.greylist
        greylist_times = GreylistTimes(times.delay, times.retry, times.keep)
        greylist = Greylist(store.greylist, clock.now, greylist_times, max_entries=times.max_entries)
        at_recipient.append(greylist.at_recipient)
    friends = parse_networks((*config.relay.relay_from, *policy.allow))
    return PolicyChain(friends, tuple(at_connection), tuple(at_sender), tuple(at_recipient))


def account_policies(
    config: Config, clock: Clock, lookups: Lookups, is_local: Callable[[Address], bool], table: CounterTable
) -> tuple[tuple[OfSender, ...], tuple[OfRecipient, ...]]:
    """Policies of submission for a sender and for a recipient (RFC 6409 §3.2, §6.2)."""
    ours, relay = config.submission, config.relay
    at_sender: list[OfSender] = []
    at_recipient: list[OfRecipient] = []
    if ours.letters_per_hour or ours.recipients_per_hour:
        rates = Rates(clock.steady, ours.letters_per_hour, ours.recipients_per_hour, table=table, service="submission")
        at_sender.append(rates.at_sender)
        at_recipient.append(rates.at_recipient)
    if relay.allowed_domains and relay.when_not_allowed == "refuse":
        at_recipient.append(AllowedDomains(relay.allowed_domains, is_local).at_recipient)
    # A smart host resolves domains by its own DNS.
    if ours.recipient_domain and not relay.smart_host:
        domains = RecipientDomain(lookups, lambda to: not is_local(to) and relay.routes.find(to.domain) is None)
        at_recipient.append(domains.at_recipient)
    return tuple(at_sender), tuple(at_recipient)
