"""Values become rows and rows values; a damaged row is a StoreError that names it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mailstack.letter import Address, Arrival, Envelope, Letter, LetterId, Recipient, Status, time_parameters
from mailstack.letter.delivery import Delivery, DeliveryState, Step
from mailstack.letter.envelope import HostPort, TlsInfo
from mailstack.letter.letter import Octets
from mailstack.store import Damaged, StoreError, rows
from mailstack.store.sql_parts.accounts import target_key

texts = st.text(st.characters(exclude_categories=["Cs"]))
locals_ = st.text(st.characters(min_codepoint=0x20, exclude_categories=["C", "Z"]) | st.just(" "), min_size=1)
words = st.text(st.characters(min_codepoint=0x21, exclude_categories=["C", "Z"], exclude_characters="<>"), min_size=1)
ascii_words = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="<>"), min_size=1)
domains = ascii_words | st.sampled_from(["bücher.test", "пример.test", "xn--bcher-kva.test"])
addresses = st.builds(Address, locals_, domains)
values = st.text(st.characters(min_codepoint=0x21, exclude_categories=["C", "Z"]), min_size=1)
parameters = st.lists(st.tuples(words.filter(lambda keyword: keyword not in time_parameters.TERMS), values)).map(tuple)
recipients = st.builds(Recipient, addresses, st.none() | addresses, parameters)
envelopes = st.builds(
    Envelope, st.none() | addresses, st.lists(recipients).map(tuple), st.sampled_from(["7BIT", "8BITMIME"]), parameters
)
times = st.floats(0, 1e12)
arrivals = st.builds(
    Arrival,
    times,
    texts,
    texts,
    st.none() | st.builds(HostPort, texts, st.integers(0, 65535)),
    texts,
    st.none() | texts,
    st.none() | texts,
    st.none() | st.builds(TlsInfo, texts, texts, verified=st.booleans()),
)
deliveries = st.builds(
    Delivery,
    st.just(LetterId("1m85d50a9pmvbth")),
    st.integers(0, 100),
    recipients,
    texts,
    st.sampled_from(DeliveryState),
    times,
    st.integers(0, 1000),
    st.none() | texts,
    times,
    st.none() | st.builds(Status, st.sampled_from([2, 4, 5]), st.integers(0, 999), st.integers(0, 999)),
    texts,
    texts,
    st.booleans(),
)


@given(envelopes)
def test_an_envelope_survives_the_store(envelope: Envelope) -> None:
    assert rows.decode_envelope(rows.as_json(envelope)) == envelope


@given(arrivals)
def test_an_arrival_survives_the_store(arrival: Arrival) -> None:
    assert rows.decode_arrival(rows.as_json(arrival)) == arrival


@given(deliveries)
def test_a_delivery_survives_the_store(delivery: Delivery) -> None:
    assert rows.delivery_from(rows.delivery_row(delivery, "mx")) == delivery


@given(envelopes, arrivals)
def test_a_letter_survives_the_store(envelope: Envelope, arrival: Arrival) -> None:
    letter = Letter(LetterId("1m85d50a9pmvbth"), envelope, Octets(b"12345"), arrival)
    assert rows.letter_from(rows.letter_row(letter), lambda _, size: Octets(b"12345"[:size])) == letter


@given(st.recursive(st.none() | st.booleans() | st.integers() | texts, st.lists), texts)
def test_any_json_decodes_to_a_value_or_a_store_error(value: object, text: str) -> None:
    for damaged in (rows.as_json(value), text):
        for decode in (rows.decode_envelope, rows.decode_arrival, rows.decode_recipient):
            with pytest.raises(StoreError, match="letters, 'id'"):
                rows.checked("letters", "id", lambda: decode(damaged))  # noqa: B023


@given(st.data(), deliveries)
def test_a_damaged_delivery_is_named(data: st.DataObject, delivery: Delivery) -> None:
    row = rows.delivery_row(delivery, "mx")
    place = data.draw(st.sampled_from([1, 2, 3, 4, 5, 6, 8, 10, 11, 12]))
    row[place] = data.draw(st.sampled_from([b"octets", None, -1.5j, ["list"]]))
    with pytest.raises(StoreError, match="deliveries"):
        rows.delivery_from(row)


@pytest.mark.parametrize(
    "recipient",
    [
        Recipient(Address("a\r\nRSET", "b.test")),
        Recipient(Address("a", "b.test> SIZE=1")),
        Recipient(Address("a", "b.test"), Address("c", "d\n")),
        Recipient(Address("a", "b.test"), None, (("NOTIFY", "NEVER\r\nDATA"),)),
        Recipient(Address("a", "b.test"), None, (("NOTIFY X", ""),)),
        Recipient(Address("a", "b.test"), None, (("ORCPT", "utf-8;\u2028"),)),
        Recipient(Address("\u202eb", "b.test")),
    ],
)
def test_no_row_becomes_a_command_on_the_wire(recipient: Recipient) -> None:
    with pytest.raises(ValueError, match="contains"):
        rows.decode_recipient(rows.as_json(recipient))
    with pytest.raises(ValueError, match="contains"):
        rows.decode_envelope(rows.as_json(Envelope(None, (recipient,))))


@pytest.mark.parametrize("damaged", [("HOLDFOR", "soon"), ("HOLDUNTIL", "9"), ("BY", "R"), ("MT-PRIORITY", "99")])
def test_an_invalid_time_parameter_is_named(damaged: tuple[str, str]) -> None:
    """FUT-01, DLBY-01, PRIO-01: the letter is held, and told of, instead of failing at each attempt."""
    with pytest.raises(ValueError, match=r"\w"):
        rows.decode_envelope(rows.as_json(Envelope(None, (), parameters=(damaged,))))


@given(st.lists(st.tuples(st.integers(0, 2**63 - 1), times, texts, st.dictionaries(texts, texts))))
def test_collected_steps_of_a_delivery_survive_the_store(told: list[tuple[int, float, str, dict[str, str]]]) -> None:
    steps = [(seq, Step(LetterId("x"), at, server, "collected", facts)) for seq, at, server, facts in told]
    text = None
    for seq, step in steps:
        text = rows.collected_again(text, rows.collected_text(step, seq))
        assert rows.collected_again(text, None) == text
    assert rows.collected_from(("x", 1, text)) == steps


@pytest.mark.parametrize(
    "damaged", ["", "[", "{}", "[1]", "[[1,2.0,3,{}]]", '[[-1,2.0,"",{}]]', '[[1,2.0,"",{}],]', b"[]", 1, "[" * 200_000]
)
def test_damaged_collected_steps_are_named(damaged: object) -> None:
    with pytest.raises(Damaged, match=r"table deliveries, \('x', 1\)"):
        rows.collected_from(("x", 1, damaged))


def test_a_row_that_is_nested_without_end_is_damaged() -> None:
    deep = '{"x":' + "[" * 200_000 + "]" * 200_000 + "}"
    with pytest.raises(Damaged, match="table steps"):
        rows.step_from(["x", 1, 1.0, "mx.home.test", "submitted", deep])


def test_an_envelope_id_that_is_a_message_id_is_read_again() -> None:
    """DSN-02: angle brackets are xtext like others (RFC 3461 §4), and no sign of damage."""
    envelope = Envelope(None, (), parameters=(("ENVID", "<1@x.test>"),))
    assert rows.decode_envelope(rows.as_json(envelope)) == envelope


def test_a_delivery_waits_until_it_is_due_and_its_claim_has_ended() -> None:
    delivery = Delivery(LetterId("x"), 0, Recipient(Address("a", "b")), "local", due=5.0, lease=9.0)
    assert rows.waits_until(delivery) == 5.0
    assert rows.waits_until(replace(delivery, claimed_by="me")) == 9.0
    assert rows.waits_until(replace(delivery, claimed_by="me", due=20.0)) == 20.0
    assert rows.waits_until(replace(delivery, state=DeliveryState.HELD)) == rows.FAR
    assert rows.waits_until(replace(delivery, state=DeliveryState.REMOVED)) is None
    assert rows.waits_until(replace(delivery, state=DeliveryState.REMOVED, claimed_by="me")) == rows.FAR


def test_an_invalid_listing_is_named() -> None:
    for listing in ("1 2", "x 2 id", "1 2 id more"):
        with pytest.raises(StoreError, match=r"bob@home\.test"):
            rows.entries_from(listing, "bob@home.test")


def test_a_target_is_found_by_its_key_whatever_its_case() -> None:
    assert target_key("Bob@Home.TEST.") == "bob@home.test"
    assert target_key("not an address") == "not an address"
