"""THREAD by references and by subjects (IMAP-105)."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailstack.mailbox.imap.threads import ALGORITHMS, ThreadedMessage, thread_response, threaded_message, threads
from tests.aid import examples, run


async def never(_: float) -> None:
    """A pause that lets no other run."""


def response_of(algorithm: str, messages: list[ThreadedMessage] | tuple[ThreadedMessage, ...]) -> bytes:
    written = b"".join(thread_response(run(threads(algorithm, messages, never))))
    assert written.endswith(b"\r\n")
    return written[:-2]


def message(number: int, subject: str = "", own: str = "", references: str = "", sent: float = 0) -> ThreadedMessage:
    """`subject` with "re " is a reply; references are parted by blanks."""
    base = subject.removeprefix("re ")
    return ThreadedMessage(number, sent or number, base, base != subject, own, tuple(references.split()))


def written(algorithm: str, *messages: ThreadedMessage) -> str:
    return response_of(algorithm, messages).decode("ascii").removeprefix("* THREAD ")


@pytest.mark.parametrize(
    ("messages", "response"),
    [
        # A chain, with a message that came first in time last.
        ([message(1, "", "b", "a"), message(2, "", "c", "a b"), message(3, "", "a", sent=0.5)], "(3 1 2)"),
        ([message(1, "", "a"), message(2, "", "b")], "(1)(2)"),
        # Children of one message stand side by side, by date.
        ([message(1, "", "a"), message(2, "", "b", "a"), message(3, "", "c", "b"), message(4, "", "d", "a")], "(1 (2 3)(4))"),
        # A missing parent of several messages is a dummy; of one message it is left out.
        ([message(1, "x", "a", "none"), message(2, "y", "b", "none")], "((1)(2))"),
        ([message(1, "x", "a", "none")], "(1)"),
        ([message(1, "x", "a", "q"), message(2, "y", "b", "q r"), message(3, "z", "c", "q r")], "((1)(2)(3))"),
        # Threads of one subject are one: a reply below the original, else below a dummy.
        ([message(1, "s"), message(2, "re s")], "(1 2)"),
        ([message(1, "re s"), message(2, "s", sent=9)], "(2 1)"),
        ([message(1, "s"), message(2, "s")], "((1)(2))"),
        ([message(1, "re s"), message(2, "re s"), message(3, "re s")], "((1)(2)(3))"),
        ([message(1, ""), message(2, "")], "(1)(2)"),
        # A dummy takes in what has its subject.
        ([message(1, "s", "a", "n"), message(2, "s", "b", "n"), message(3, "s", "c")], "((1)(2)(3))"),
        ([message(1, "s", "a", "n"), message(2, "s", "b", "n"), message(3, "s", "c", "o"), message(4, "s", "d", "o")],
         "((1)(2)(3)(4))"),
        # The same Message-ID twice, loops, and references to itself.
        ([message(1, "", "a"), message(2, "", "a"), message(3, "", "b", "a")], "(1 3)(2)"),
        ([message(1, "", "a", "b"), message(2, "", "b", "a")], "(2 1)"),
        ([message(1, "", "a", "a")], "(1)"),
        ([message(1, "", "a", "b b a b")], "(1)"),
    ],
)  # fmt: skip
def test_references_make_threads(messages: list[ThreadedMessage], response: str) -> None:
    """IMAP-105: RFC 5256 §3, REFERENCES."""
    assert written("REFERENCES", *messages) == response


def test_subjects_make_threads() -> None:
    """IMAP-105: RFC 5256 §3, ORDEREDSUBJECT: by the date of the first message, all others below it."""
    messages = [
        *(message(1, "b", sent=5), message(2, "a", sent=3), message(3, "b", sent=4), message(4, "a", sent=2)),
        *(message(5, "b", sent=9), message(6, "c", sent=8), message(7, "c", sent=8)),
    ]
    assert written("ORDEREDSUBJECT", *messages) == "(4 2)(3 (1)(5))(6 7)"


def test_no_messages_make_no_threads() -> None:
    for algorithm in ALGORITHMS:
        assert response_of(algorithm, []) == b"* THREAD"


def test_a_message_is_read_from_its_fields() -> None:
    """IMAP-105: In-Reply-To counts without valid References."""
    fields = {
        b"subject": b"Re: [l] \xc3\xa4",
        b"message-id": b"<a@b> (c)",
        b"references": b"<x@y>\t<z@y> junk <v w>",
        b"in-reply-to": b"your message <r@s>, <t@u>",
        b"date": b"1 Jan 1970 00:01:00 +0000",
    }
    assert threaded_message(7, fields, 5.0) == ThreadedMessage(7, 60.0, "A\u0308", True, "a@b", ("x@y", "z@y"))
    del fields[b"references"]
    assert threaded_message(7, fields, 5.0).references == ("r@s",)
    assert threaded_message(7, {}, 5.0) == ThreadedMessage(7, 5.0, "", False, "", ())


ids = st.sampled_from(["", *"abcdefg"])
hostile = st.lists(
    st.tuples(st.sampled_from(["", "s", "re s", "t", "re t"]), ids, st.lists(ids, max_size=4), st.integers(1, 4)),
    max_size=10,
)


@settings(max_examples=examples(300))
@given(hostile, st.sampled_from(ALGORITHMS))
def test_each_message_is_in_one_thread(described: list[tuple], algorithm: str) -> None:
    """IMAP-105, IMAP-130: once, whatever the references, and siblings are in the order of their dates."""
    messages = [
        message(number, subject, own, " ".join(references), sent)
        for number, (subject, own, references, sent) in enumerate(described, 1)
    ]
    roots = run(threads(algorithm, messages, never))
    response = b"".join(thread_response(roots)).decode("ascii")
    assert sorted(map(int, re.findall(r"\d+", response))) == list(range(1, len(messages) + 1))
    assert response.count("(") == response.count(")")
    assert "()" not in response
    siblings = [roots]
    while siblings:
        nodes = siblings.pop()
        order = [(node.first.sent, node.first.number) for node in nodes]
        assert order == sorted(order)
        siblings += [node.children for node in nodes]


@pytest.mark.parametrize(
    "references",
    [
        lambda number: f"{number - 1}",
        lambda number: f"{number + 1}",
        lambda number: " ".join(f"d{number + each}" for each in range(20)),
        lambda number: f"{number + 1} {number * 7919 % 20_000}",
    ],
    ids=["chain", "backwards", "dummies", "mixed"],
)
def test_hostile_references_cost_time_in_proportion(references) -> None:
    """IMAP-130."""
    messages = [message(number, "", f"{number}", references(number)) for number in range(1, 20_001)]
    began = turn = time.process_time()
    longest = 0.0

    async def pause(_: float) -> None:
        nonlocal turn, longest
        longest = max(longest, time.process_time() - turn)
        turn = time.process_time()

    run(threads("REFERENCES", messages, pause))
    assert time.process_time() - began < 4
    assert longest < 0.5, "a turn takes some milliseconds"
