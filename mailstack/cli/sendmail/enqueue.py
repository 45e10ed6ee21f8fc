"""Enqueues a letter of a local process, without a running server."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace
from twisted.internet.defer import succeed

from mailstack.cli.queue.route import clock, directory_of
from mailstack.cli.sendmail.letter import Prepared
from mailstack.cli.sendmail.options import CONFIG, NOUSER, TEMPFAIL, UNAVAILABLE, SendmailError
from mailstack.cli.store_runner import OpenStore
from mailstack.cli.target import TargetServer
from mailstack.config import Config
from mailstack.config.key_files import signing_keys
from mailstack.config.values import HostName
from mailstack.letter import Arrival, Letter, LetterId, Recipient, new_letter_id
from mailstack.mailbox.delivery import DeliveryAgent
from mailstack.net.log import SilentJournal
from mailstack.policy.authentication.keys import InvalidKey
from mailstack.policy.authentication.outbound_signing import OutboundSigner
from mailstack.policy.quota import Quotas
from mailstack.protocols.smtp.receiving_rules import NO_FACTS
from mailstack.protocols.smtp.replies import Refusal
from mailstack.queue.attempt import Agents
from mailstack.queue.bounce import Bouncer
from mailstack.queue.hold_rules import HoldRules
from mailstack.queue.queue import Queue
from mailstack.queue.route import Router
from mailstack.queue.settings import QueueSettings
from mailstack.receiving.from_header import FromHeaderPolicy
from mailstack.receiving.intake import Intake
from mailstack.receiving.submission import SubmissionRules, with_verp
from mailstack.server.wiring.authentication import signer
from mailstack.store.free_space import FreeSpace

DEV_HOST = HostName("mx.home.test")
"""Host name of the server of a dev environment."""


def settings_of(target: TargetServer) -> Config:
    """The server's configuration; the defaults in a dev environment."""
    return target.settings or Config(hostname=DEV_HOST, data=target.data)


async def enqueue(target: TargetServer, mail_server: OpenStore, prepared: Prepared, user: str) -> LetterId:
    """Take responsibility for a letter; durable when it returns. Raises SendmailError, StoreError.

    A running server finds at its next look what is not for a mailbox here; a stopped one when it starts.
    """
    config, time, store = settings_of(target), clock(), mail_server.store
    name = config.hostname
    directory = directory_of(target, mail_server)
    router = Router(directory)
    quotas = Quotas(store, default=config.delivery.quota, permanent=config.delivery.mailbox_full == "permanent")
    bouncer = Bouncer(router, name, max_returned=config.limits.report_size)
    relay = config.relay
    standing = HoldRules(store, allowed_domains=relay.allowed_domains if relay.when_not_allowed == "hold" else ())
    await standing.refresh()
    local = DeliveryAgent(directory, name, time, quotas)
    # A queue that is not started claims nothing, and leaves all attempts, and the log, to the server.
    settings = QueueSettings(name, name)
    queue = Queue(store, router, bouncer, Agents(local, local), standing, time, SilentJournal(), settings)
    space = (
        None if config.store.url or target.settings is None else FreeSpace(config.data, config.limits.min_free_space)
    )
    counter = Intake(name, queue, store, directory, hops=config.limits.hops, quotas=quotas, free_space=space)
    station = SubmissionRules(counter, None, author=FromHeaderPolicy(config.submission.broken_header))
    now = time.now()
    letter, arrival = new_letter_id(now), Arrival(now, name, "LOCAL", account=user)
    try:
        counter.check_room(len(prepared.body))
        await _check(counter, prepared.envelope.recipients, len(prepared.body))
        section = await station.edit_header(prepared.section, letter, prepared.envelope, arrival)
        writer = counter.new_content()
        for octets in (counter.trace(letter, prepared.envelope, arrival), section, prepared.body):
            await writer.write(octets)
        whole = Letter(letter, prepared.envelope, await writer.finish(), arrival)
        if target.settings is not None:
            whole = replace(whole, envelope=with_verp(whole.envelope, target.settings.submission.verp))
        signing = _signing(target, time.now)
        whole, facts = (whole, NO_FACTS) if signing is None else await signing.signed(whole)
        await station.accept(whole, facts)
    except Refusal as refusal:
        raise SendmailError(TEMPFAIL if refusal.reply.code < 500 else UNAVAILABLE, _said(refusal)) from refusal
    return letter


def _signing(target: TargetServer, now: Callable[[], float]) -> OutboundSigner | None:
    """Puts the server's signatures on letters; None without keys. Raises SendmailError."""
    if target.settings is None:
        return None
    try:
        keys = signing_keys(target.settings)
    except InvalidKey as error:
        raise SendmailError(CONFIG, str(error)) from error
    # A command has nothing else to do meanwhile, and needs no thread.
    found = signer(target.settings, keys, lambda work: succeed(work()), now)
    return None if found is None else OutboundSigner(found)


async def _check(counter: Intake, recipients: Sequence[Recipient], size: int) -> None:
    """Raises SendmailError for an unknown local recipient; then nothing is queued."""
    for recipient in recipients:
        if counter.is_local(recipient.address):
            try:
                await counter.check_mailbox(recipient.address, size)
            except Refusal as refusal:
                if refusal.reply.code < 500:
                    raise
                raise SendmailError(NOUSER, f"{recipient.address}: {_said(refusal)}") from refusal


def _said(refusal: Refusal) -> str:
    return f"{refusal.reply.code} {refusal.reply.text}"
