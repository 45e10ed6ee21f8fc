"""Enqueues a letter of a local process, completed first, without a running server."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct
from msgspec.structs import replace
from twisted.internet.defer import succeed

from mailstack.cli.compose import is_utf8
from mailstack.cli.queue.context import clock, directory_of
from mailstack.cli.runner import OpenStore
from mailstack.cli.sendmail.options import CONFIG, NOUSER, TEMPFAIL, UNAVAILABLE, USAGE, SendmailError, SendmailOptions
from mailstack.cli.target import TargetServer
from mailstack.config import Config
from mailstack.config.derived import signing_keys
from mailstack.config.values import HostName
from mailstack.letter import Address, Arrival, Letter, LetterId, Recipient, new_letter_id
from mailstack.letter.address_lists import addresses_in
from mailstack.letter.envelope import Envelope
from mailstack.letter.header import fields, has, mailbox_field, split
from mailstack.mailbox.delivery import DeliveryAgent
from mailstack.net.log import SilentJournal
from mailstack.policy.authentication.dkim import OutboundSigner
from mailstack.policy.authentication.keys import InvalidKey
from mailstack.policy.limits import Quotas
from mailstack.protocols.smtp.receiving_rules import NO_FACTS
from mailstack.protocols.smtp.replies import Refusal
from mailstack.queue.attempt import Agents
from mailstack.queue.bounce import Bouncer
from mailstack.queue.hold_rules import HoldRules
from mailstack.queue.queue import Queue
from mailstack.queue.recipient_routes import Router
from mailstack.queue.settings import QueueSettings
from mailstack.receiving.intake import Intake
from mailstack.receiving.submission import FromHeaderPolicy, SubmissionRules, with_verp
from mailstack.server.wiring.receiving import signer
from mailstack.store.data_directory import FreeSpace

MAX_RECIPIENTS = 10_000
_RESENT = (b"resent-to", b"resent-cc", b"resent-bcc")
_TO = (b"to", b"cc", b"bcc")
_MAX_ENVID = 100
"""RFC 3461 §4.4."""


class Person(Struct, frozen=True):
    """Calling user."""

    user: str
    """Login name on this machine."""
    name: str = ""
    """Full name."""


class Prepared(Struct, frozen=True):
    """Letter of a local process, ready for submission."""

    envelope: Envelope
    section: bytes
    """Header section with its final empty line."""
    body: bytes


def lines(octets: bytes, *, dot_ends: bool) -> bytes:
    """Letter with CRLF line ends; `dot_ends`: up to the first line with a single dot."""
    text = octets.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if dot_ends:
        if text.startswith(b".\n") or text == b".":
            text = b""
        end = text.find(b"\n.\n")
        if end >= 0:
            text = text[: end + 1]
        elif text.endswith(b"\n."):
            text = text[:-1]
    # The "From " line of an mbox is not part of the header.
    if text.startswith((b"From ", b">From ")):
        text = text.partition(b"\n")[2]
    if text and not text.endswith(b"\n"):
        text += b"\n"
    return text.replace(b"\n", b"\r\n")


def prepare(octets: bytes, options: SendmailOptions, person: Person, domain: str) -> Prepared:
    """Completes a letter for submission; `domain` is that of addresses without one. Raises SendmailError."""
    text = lines(octets, dot_ends=options.dot_ends)
    at = split(text)
    section, body = text[:at], text[at:]
    if not section.endswith(b"\r\n\r\n") and section != b"\r\n":
        section += b"\r\n"
    recipients = _recipients(section, options, domain)
    sender = _sender(options, person, domain)
    if not has(section, b"from"):
        section = _from(options, person, sender, domain) + section
    return Prepared(_envelope(sender, recipients, options, section, body), section, body)


def _recipients(section: bytes, options: SendmailOptions, domain: str) -> list[Address]:
    named = [address for word in options.recipients for address in _read(word.encode(errors="surrogateescape"), domain)]
    if options.from_header:
        names = _RESENT if any(has(section, name) for name in _RESENT) else _TO
        for name, field in fields(section):
            if name in names:
                named += _read(field.partition(b":")[2], domain)
    found = list({address.key: address for address in named}.values())
    if not found:
        reason = "To, Cc and Bcc have no recipients" if options.from_header else "no recipients; add them, or use -t"
        raise SendmailError(USAGE, reason)
    if len(found) > MAX_RECIPIENTS:
        raise SendmailError(USAGE, f"more than {MAX_RECIPIENTS} recipients")
    return found


def _read(octets: bytes, domain: str) -> Sequence[Address]:
    found = addresses_in(octets, domain)
    if found is None:
        raise SendmailError(
            NOUSER, f"not a list of addresses: {octets.decode('utf-8', 'backslashreplace').strip()!r:.200}"
        )
    return found


def _sender(options: SendmailOptions, person: Person, domain: str) -> Address | None:
    written = person.user if options.sender is None else options.sender.strip()
    if written in {"", "<>"}:
        return None
    found = addresses_in(written.encode(errors="surrogateescape"), domain)
    if found is None or len(found) != 1:
        raise SendmailError(USAGE, f"-f is not an address: {written!r:.200}")
    return found[0]


def _from(options: SendmailOptions, person: Person, sender: Address | None, domain: str) -> bytes:
    """Generated From field of a letter without one."""
    name = options.name or person.name
    author = str(sender) if sender is not None else f"{person.user}@{domain}"
    printable = "".join([each for each in name if each.isprintable()])
    return mailbox_field("From", [(printable, author)]) if printable else f"From: <{author}>\r\n".encode()


def _envelope(
    sender: Address | None, recipients: Sequence[Address], options: SendmailOptions, section: bytes, body: bytes
) -> Envelope:
    parameters: list[tuple[str, str]] = []
    if options.ret:
        parameters.append(("RET", options.ret))
    if options.envid:
        parameters.append(("ENVID", _xtext(options.envid)))
    addresses = (*recipients, sender) if sender is not None else tuple(recipients)
    if any(not address.is_ascii for address in addresses) or is_utf8(section):
        parameters.append(("SMTPUTF8", ""))
    wishes = (("NOTIFY", options.notify),) if options.notify else ()
    eight_bit = not section.isascii() or not body.isascii()
    return Envelope(
        sender,
        tuple([Recipient(address, None, wishes) for address in recipients]),
        "8BITMIME" if eight_bit else "7BIT",
        tuple(parameters),
    )


def _xtext(text: str) -> str:
    """RFC 3461 §4. Raises SendmailError."""
    plain = text.isascii() and text.isprintable()
    encoded = "".join([f"+{ord(each):02X}" if each in "+= " else each for each in text])
    if not plain or len(encoded) > _MAX_ENVID:
        raise SendmailError(USAGE, f"-V is at most {_MAX_ENVID} printable characters of ASCII")
    return encoded


DEV_HOST = HostName("mx.home.test")
"""Host name of the server of a dev environment."""


def settings_of(target: TargetServer) -> Config:
    """Configuration of the server; the defaults in a dev environment."""
    return target.settings or Config(hostname=DEV_HOST, data=target.data)


async def enqueue(target: TargetServer, mail_server: OpenStore, prepared: Prepared, user: str) -> LetterId:
    """Accepts a letter durably into the queue. Raises SendmailError, StoreError.

    A running server finds remote deliveries at its next poll, a stopped one when it starts.
    """
    config, time, store = settings_of(target), clock(), mail_server.store
    name = config.hostname
    directory = directory_of(target, mail_server)
    router = Router(directory)
    quotas = Quotas(store, default=config.delivery.quota, permanent=config.delivery.mailbox_full == "permanent")
    bouncer = Bouncer(router, name, max_returned=config.limits.report_size)
    relay = config.relay
    hold_rules = HoldRules(store, allowed_domains=relay.allowed_domains if relay.when_not_allowed == "hold" else ())
    await hold_rules.refresh()
    found = config.delivery
    by_name = found.subaddress and found.subaddress_folders
    local = DeliveryAgent(directory, name, time, quotas, store.folders, by_name=by_name, by_verdict=found.junk_folder)
    # A queue that is not started claims nothing: the server makes all attempts, and logs them.
    settings = QueueSettings(name, name)
    queue = Queue(store, router, bouncer, Agents(local, local), hold_rules, time, SilentJournal(), settings)
    space = (
        None if config.store.url or target.settings is None else FreeSpace(config.data, config.limits.min_free_space)
    )
    counter = Intake(name, queue, store, directory, hops=config.limits.hops, quotas=quotas, free_space=space)
    rules = SubmissionRules(counter, None, from_header_policy=FromHeaderPolicy(config.submission.broken_header))
    now = time.now()
    letter, arrival = new_letter_id(now), Arrival(now, name, "LOCAL", account=user)
    try:
        counter.check_room(len(prepared.body))
        await _check(counter, prepared.envelope.recipients, len(prepared.body))
        section = await rules.edit_header(prepared.section, letter, prepared.envelope, arrival)
        writer = counter.new_content()
        for octets in (counter.trace(letter, prepared.envelope, arrival), section, prepared.body):
            await writer.write(octets)
        whole = Letter(letter, prepared.envelope, await writer.finish(), arrival)
        if target.settings is not None:
            whole = replace(whole, envelope=with_verp(whole.envelope, target.settings.submission.verp))
        signing = _signing(target, time.now)
        whole, facts = (whole, NO_FACTS) if signing is None else await signing.signed(whole)
        await rules.accept(whole, facts)
    except Refusal as refusal:
        raise SendmailError(TEMPFAIL if refusal.reply.code < 500 else UNAVAILABLE, _reply_text(refusal)) from refusal
    return letter


def _signing(target: TargetServer, now: Callable[[], float]) -> OutboundSigner | None:
    """Signer of outbound letters; None without keys. Raises SendmailError."""
    if target.settings is None:
        return None
    try:
        keys = signing_keys(target.settings)
    except InvalidKey as error:
        raise SendmailError(CONFIG, str(error)) from error
    # A command needs no thread: it has nothing else to do.
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
                raise SendmailError(NOUSER, f"{recipient.address}: {_reply_text(refusal)}") from refusal


def _reply_text(refusal: Refusal) -> str:
    return f"{refusal.reply.code} {refusal.reply.text}"
