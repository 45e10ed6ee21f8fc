"""Rows of a database that may be damaged: values as they were written, or Damaged."""

from __future__ import annotations

import json
from typing import Any

from attrs import evolve

from mailstack.letter import Envelope, Recipient
from mailstack.letter.delivery import Delivery
from mailstack.letter.letter import Octets
from mailstack.protocols.smtp.commands import Mail, Rcpt
from mailstack.store import Damaged, StoreError, rows, uid_ranges
from mailstack.store.sql_parts import accounts
from tests.parsers.parser import Parser, text, unless
from tests.protocols.smtp.dialogue import Dialogue

_ADDRESS = b'{"local":"bob","domain":"home.test"}'
_RECIPIENT = b'{"address":%b,"original":null,"parameters":[["NOTIFY","NEVER"]]}' % _ADDRESS


@unless(ValueError)
def _envelope(octets: bytes) -> None:
    """A parsed value is written as the same, and adds no second command when it is sent."""
    envelope = rows.decode_envelope(text(octets))
    assert rows.decode_envelope(rows.as_json(envelope)) == envelope
    _check_sendable(envelope)


def _check_sendable(envelope: Envelope) -> None:
    from mailstack.protocols.smtp.client import ClientEngine
    from mailstack.protocols.smtp.commands import LocalProtocolError
    from mailstack.protocols.smtp.outgoing import mail_command, rcpt_command

    extensions = dict.fromkeys(("SIZE", "DSN", "SMTPUTF8", "FUTURERELEASE", "DELIVERBY", "MT-PRIORITY"), "")
    engine = ClientEngine()
    engine.extensions = extensions
    commands = [mail_command(extensions, envelope, envelope.recipients, Octets(b""))]
    commands += [rcpt_command(extensions, envelope, recipient) for recipient in envelope.recipients]
    for command in commands:
        try:
            line = engine.command(command)
        except LocalProtocolError:
            continue
        assert line.count(b"\r") == line.count(b"\n") == 1


@unless(ValueError)
def _recipient(octets: bytes) -> None:
    recipient = rows.decode_recipient(text(octets))
    assert rows.decode_recipient(rows.as_json(recipient)) == recipient


@unless(ValueError)
def _arrival(octets: bytes) -> None:
    arrival = rows.decode_arrival(text(octets))
    assert rows.decode_arrival(rows.as_json(arrival)) == arrival


def _row(octets: bytes) -> list[Any]:
    """Columns of any type: octets are a JSON list, in which a text that begins with "b:" stands for a BLOB."""
    row = json.loads(octets)
    if not isinstance(row, list):
        raise ValueError  # noqa: TRY004 - it is no row
    return [
        each[2:].encode("utf-8", "surrogatepass") if isinstance(each, str) and each.startswith("b:") else each
        for each in row
    ]


@unless(Damaged, ValueError, RecursionError)
def _rows(octets: bytes) -> None:
    """Whatever stands in a row, each reader gives its value or says Damaged, and nothing else."""
    row = _row(octets) + [None] * 20
    readers: tuple[Any, ...] = (
        lambda: rows.letter_from(row, lambda _letter, _size: Octets(b"")),
        lambda: _same_delivery(rows.delivery_from(row)),
        lambda: rows.step_from(row),
        lambda: accounts.account_from(row),
        lambda: accounts.app_password_from(row),
    )
    for read in readers:
        try:
            read()
        except Damaged:
            continue


def _same_delivery(delivery: Delivery) -> None:
    try:
        again = rows.delivery_from(rows.delivery_row(delivery, "mx.home.test"))
    except StoreError as error:
        assert not isinstance(error, Damaged), error
        return
    assert again == delivery or delivery != evolve(delivery)  # a time that is no number equals nothing


@unless(Damaged)
def _entries(octets: bytes) -> None:
    entries = rows.entries_from(text(octets), "bob@home.test")
    lines = "".join([f"{entry.uid} {entry.size} {entry.letter}\n" for entry in entries])
    assert rows.entries_from(lines, "bob@home.test") == entries


def _commands(octets: bytes) -> None:
    """SMUG-04: what MAIL and RCPT said survives the store, and says the same to the next host."""
    from tests.parsers.engines import CAPABILITIES

    session = Dialogue(CAPABILITIES, start_tls=False)
    session.engine.tls = True
    session.hear(b"EHLO c.test\r\n")
    lines = octets.replace(b"\r", b"").split(b"\n")[:2]
    session.hear(b"".join([line + b"\r\n" for line in lines]))
    mail = next((event for event in session.events if isinstance(event, Mail)), None)
    rcpt = next((event for event in session.events if isinstance(event, Rcpt)), None)
    if mail is None:
        return
    recipients = () if rcpt is None else (Recipient(rcpt.address, None, rcpt.parameters),)
    envelope = Envelope(mail.sender, recipients, mail.body, mail.parameters)
    assert rows.decode_envelope(rows.as_json(envelope)) == envelope
    _check_said_again(envelope)


def _check_said_again(envelope: Envelope) -> None:
    from mailstack.protocols.smtp.outgoing import mail_command, rcpt_command
    from tests.parsers.engines import CAPABILITIES

    keywords = (
        "SIZE", "DSN", "SMTPUTF8", "FUTURERELEASE", "DELIVERBY", "MT-PRIORITY", "8BITMIME", "BINARYMIME", "REQUIRETLS",
    )  # fmt: skip
    extensions = dict.fromkeys(keywords, "")
    commands = [mail_command(extensions, envelope, envelope.recipients, Octets(b""))]
    commands += [rcpt_command(extensions, envelope, recipient) for recipient in envelope.recipients]
    session = Dialogue(CAPABILITIES, start_tls=False)
    session.engine.tls = True
    session.hear(b"EHLO c.test\r\n" + b"".join([line.encode() + b"\r\n" for line in commands]))
    _, mail, *rcpts = session.events
    assert isinstance(mail, Mail), session.octets
    assert (mail.sender, mail.body) == (envelope.sender, envelope.body)
    assert dict(mail.parameters).items() >= dict(envelope.parameters).items()
    said = [(each.address, each.parameters) for each in rcpts if isinstance(each, Rcpt)]
    assert said == [(each.address, each.parameters) for each in envelope.recipients]


@unless(ValueError)
def _uid_ranges(octets: bytes) -> None:
    """Ranges that were parsed are written as the same, and joined ones hold the same uids."""
    ranges = uid_ranges.parse_ranges(text(octets))
    if all(0 < first < last < 1000 for first, last in ranges):
        assert uid_ranges.parse_ranges(uid_ranges.text_of(ranges)) == ranges
        uids = {uid for first, last in ranges for uid in range(first, last + 1)}
        assert uid_ranges.merged(ranges) == uid_ranges.ranges_of(uids)


PARSERS = (
    Parser("uid-ranges", ("store.uid_ranges",), _uid_ranges, (b"1:3,7", b"9", b"1:2,2:5,4:6", b"1:x")),
    Parser(
        "envelope",
        ("store.rows", "letter.time_parameters"),
        _envelope,
        (
            b'{"sender":%b,"recipients":[%b],"body":"8BITMIME","parameters":[["RET","HDRS"],["BY","1;R"]]}'
            % (_ADDRESS, _RECIPIENT),
            b'{"sender":null,"recipients":[]}',
        ),
    ),
    Parser("recipient", ("store.rows",), _recipient, (_RECIPIENT,)),
    Parser(
        "arrival",
        ("store.rows",),
        _arrival,
        (b'{"at":1.5,"server":"mx.home.test","protocol":"ESMTP","remote":{"host":"::1","port":1},"helo":"x"}',),
    ),
    Parser(
        "rows",
        ("store.rows",),
        _rows,
        (
            b'["0123456789abcde","mx.home.test","",1.5,5,"{\\"sender\\":null,\\"recipients\\":[]}","{\\"at\\":1,\\"server\\":\\"x\\",\\"protocol\\":\\"SMTP\\"}"]',
            b'["0123456789abcde",0,%b,"local","queued",1.5,0,null,0.0,"4.2.0","text","host",0,0]'
            % json.dumps(_RECIPIENT.decode()).encode(),
            b'["0123456789abcde",1,1.5,"mx.home.test","submitted","{}"]',
            b'["a@b.test","b:hash",1.5,null,""]',
            b'["a@b.test","phone","b:digest",1.5]',
        ),
    ),
    Parser("entries", ("store.rows",), _entries, (b"1 100 0123456789abcde\n2 5 0123456789abcdf\n",)),
    Parser(
        "mail-and-rcpt",
        ("protocols.smtp.grammar", "protocols.smtp.outgoing", "protocols.smtp.extensions.requiretls", "store.rows"),
        _commands,
        (
            b"MAIL FROM:<a@b.test> RET=HDRS ENVID=x+2By HOLDFOR=60 BY=120;RT MT-PRIORITY=-3\nRCPT TO:<c@d.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;c+40d.test",
            "MAIL FROM:<bücher@bücher.test> SMTPUTF8 BODY=8BITMIME\nRCPT TO:<ö@xn--bcher-kva.test> ORCPT=utf-8;\\x{F6}@d.test".encode(),
            b'MAIL FROM:<> BODY=BINARYMIME HOLDUNTIL=2025-06-16T10:00:00Z\nRCPT TO:<"a b"@[IPv6:::1]>',
            b"MAIL FROM:<@x,@y:a@b.test> REQUIRETLS\nRCPT TO:<PostMaster>",
        ),
    ),
)
