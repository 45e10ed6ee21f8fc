"""Fault rules: validation, frequency, conditions, files, magic recipients."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter import Address
from mailstack.sandbox.faults import Fault, Faults, TooManyRules
from mailstack.sandbox.faults.faults import MAX_RULES, FaultContext
from mailstack.sandbox.faults.rule import STEPS, magic, read_json_rules, read_rules


def faults(seed: int = 1) -> Faults:
    return Faults(lambda: 0.0, seed)


def meets(rules: Faults, count: int, at: str = "rcpt", **moment: Any) -> list[int]:
    """At which of so many moments, counted from 1, something happens."""
    return [number for number in range(1, count + 1) if rules.choose(FaultContext(at, **moment)) is not None]


def test_a_rule_reads_from_and_writes_to_json() -> None:
    given = {"at": "rcpt", "recipient": "*@b.test", "reply": "452 4.2.2 full", "times": 2, "id": "full"}
    rule = Fault.from_json(json.loads(json.dumps(given)))
    assert rule.to_json() == given
    assert Fault.from_json(rule.to_json()) == rule
    assert (rule.refusal.code, str(rule.refusal.status)) == (452, "4.2.2")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({}, "at"),
        ({"at": "lunch", "drop": "before"}, "unknown step"),
        ({"at": "imap.slect"}, "did you mean 'imap.select'?"),
        ({"at": "imap.fetch", "reply": "550 no"}, 'reply must be "NO", "BAD", "OK"'),
        ({"at": "imap.connect", "reply": "NO no"}, 'BYE" with a text at imap.connect'),
        ({"at": "imap.noop", "untagged": "a1 OK done"}, "untagged must be one line"),
        ({"at": "imap.noop", "untagged": "* OK a\r\n* OK b"}, "untagged must be one line"),
        ({"at": "imap.search", "expunge": True}, "expunge is not possible at imap.search"),
        ({"at": "imap.store", "speed": 5}, "speed is not possible at imap.store"),
        ({"at": "imap.idling", "garbage": "?"}, "garbage is not possible at imap.idling"),
        ({"at": "imap.noop", "reply": "NO no", "silence": True}, "can.t be combined"),
        ({"at": "rcpt", "reply": "451 no", "account": "bob@*"}, "account and folder are conditions of IMAP"),
        ({"at": "rcpt"}, "the rule has no effect"),
        ({"at": "rcpt", "reply": "250 fine"}, "must be a 4xx or 5xx reply"),
        ({"at": "pop3.retr", "reply": "550 no"}, '"-ERR"'),
        ({"at": "rcpt", "sizes": 2.0}, "sizes is not possible at rcpt"),
        ({"at": "mail", "greylist": "5m"}, "greylist is not possible at mail"),
        ({"at": "mail", "octets": 5, "drop": "before"}, "octets is not possible at mail"),
        ({"at": "content", "octets": 5}, "the rule has no effect"),
        ({"at": "rcpt", "silence": True, "reply": "451 no"}, "can.t be combined"),
        ({"at": "rcpt", "delay": "soon"}, "delay is a duration"),
        ({"at": "rcpt", "delay": "5s", "times": 0}, "times must be an integer of at least 1"),
        ({"at": "rcpt", "delay": "5s", "every": 0}, "every must be"),
        ({"at": "rcpt", "delay": "5s", "probability": 1.5}, "probability"),
        ({"at": "rcpt", "delay": "5s", "colour": "red"}, "colour"),
        ({"at": "tls", "tls": "sad"}, "sad"),
        ({"at": "disk", "error": "full", "reply": "451 no"}, "reply is not possible at disk"),
    ],
)
def test_what_can_not_be_meant_is_refused_with_its_reason(given: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Fault.from_json(given)


def test_a_rule_happens_as_often_as_it_says() -> None:
    rules = faults()
    rules.add(Fault(at="rcpt", reply="451 no", after=2, every=3, times=2))
    assert meets(rules, 20) == [5, 8]
    assert rules.fired("f1") == 2
    assert [(rule.id, fired) for rule, fired in rules.list()] == [("f1", 2)]
    assert [firing.at for firing in rules.firings] == ["rcpt", "rcpt"]


def test_chance_is_the_seeds() -> None:
    def run(seed: int) -> list[int]:
        rules = faults(seed)
        rules.add(Fault(at="rcpt", reply="451 no", probability=0.3))
        return meets(rules, 1000)

    assert run(1) == run(1) != run(2)
    assert 200 < len(run(1)) < 400


def test_conditions_hold_together() -> None:
    rules = faults()
    rules.add(
        Fault(
            at="rcpt",
            server="mx.*",
            service="mx",
            client="192.0.2.*",
            sender="*@a.test",
            recipient="bob@*",
            reply="451 no",
        )
    )
    moment: dict[str, Any] = {
        "server": "mx.b.test",
        "service": "mx",
        "client": "192.0.2.1",
        "sender": Address.parse("ann@a.test"),
        "has_sender": True,
        "recipients": (Address.parse("bob@b.test"),),
    }
    assert meets(rules, 1, **moment) == [1]
    for name, other in {
        "server": "a.test",
        "service": "pop3",
        "client": "192.0.3.1",
        "sender": None,
        "recipients": (),
    }.items():
        assert meets(rules, 1, **{**moment, name: other}) == []
    assert meets(rules, 1, "mail", **moment) == []


def test_rules_come_and_go() -> None:
    rules = faults()
    told: list[str] = []
    rules.on_fault = lambda firing: told.append(firing.rule)
    assert not rules.any
    first = rules.add({"at": "rcpt", "reply": "451 one"})
    rules.add({"at": "rcpt", "reply": "452 two", "id": "two"})
    assert rules.any
    assert meets(rules, 2) == [1, 2]
    assert told == ["f1", "f1"]
    rules.remove(first.id)
    assert meets(rules, 1) == [1]
    assert rules.add({"at": "mail", "reply": "452 two", "id": "two"}).at == "mail"
    assert meets(rules, 1) == []
    assert rules.clear() == 1
    with pytest.raises(KeyError):
        rules.remove("two")
    for _ in range(MAX_RULES):
        rules.add({"at": "rcpt", "reply": "451 no"})
    with pytest.raises(TooManyRules):
        rules.add({"at": "rcpt", "reply": "451 no"})


def test_a_file_of_rules_is_toml_or_json() -> None:
    rule = Fault(at="rcpt", reply="451 no", times=2)
    assert read_rules(b'[[fault]]\nat = "rcpt"\nreply = "451 no"\ntimes = 2\n') == (rule,)
    assert read_json_rules(b'[{"at": "rcpt", "reply": "451 no", "times": 2}]') == (rule,)
    for wrong, reason in (
        (b"[fault]", "nothing else|tables|at"),
        (b'[[fault]]\nat = "x"', "fault 1"),
        (b"a = 1", "a: a file"),
        (b"\xff", "UTF-8"),
    ):
        with pytest.raises(ValueError, match=reason):
            read_rules(wrong)
    for wrong, reason in (
        (b"{}", "array"),
        (b'[{"at": "x"}]', "fault 1"),
        (b'[{"at": ' + b"[" * 100_000, "nested too deeply"),
    ):
        with pytest.raises(ValueError, match=reason):
            read_json_rules(wrong)


@pytest.mark.parametrize(
    ("local", "at", "service", "what"),
    [
        ("temperror", "final", "mx", "451"),
        ("x-permerror", "final", "submission", "550"),
        ("bob452", "final", "smtp", "452"),
        ("timeout", "final", "mx", "silence"),
        ("rcptto550", "rcpt", "submission", "550"),
        ("rcptto550", "final", "submission", ""),
        ("mailfrom451", "mail", "submission", "451"),
        ("queue550", "final", "submission", ""),
        ("queue550", "final", "mx", "550"),
        ("bob", "final", "mx", ""),
        ("bob350", "final", "mx", ""),
    ],
)
def test_addresses_that_say_what_goes_wrong(local: str, at: str, service: str, what: str) -> None:
    rule = magic(at, Address(local, "b.test"), service)
    assert ("" if rule is None else "silence" if rule.silence else rule.reply[:3]) == what


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 2000)
    | st.floats(allow_nan=True)
    | st.text(max_size=20)
    | st.sampled_from(["451 4.0.0 x", "before", "5m"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.dictionaries(st.sampled_from([field.name for field in msgspec.structs.fields(Fault)]), json_values, max_size=5),
    st.sampled_from(sorted(STEPS)),
)
def test_whatever_json_says_is_a_rule_or_a_value_error(given: dict[str, Any], at: str) -> None:
    try:
        rule = Fault.from_json({"at": at, **given})
    except ValueError:
        return
    assert Fault.from_json(json.loads(json.dumps(rule.to_json()))) == rule
    rules = faults()
    rules.add(rule)
    found = Counter(meets(rules, 3, at, recipients=(Address("bob", "b.test"),)))
    assert sum(found.values()) <= 3
