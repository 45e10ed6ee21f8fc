"""What is held in memory stays within its bounds and is never older than it may be."""

from __future__ import annotations

from mailstack.store.recent import Recent, RecentOctets


def test_octets_are_held_up_to_the_limit_and_the_least_used_go_first() -> None:
    recent = RecentOctets(10)
    for name in "ab":
        recent.add(name, name.encode() * 4)
    assert recent.get("a") == b"aaaa"
    recent.add("c", b"cccc")
    assert (recent.get("a"), recent.get("b"), recent.get("c")) == (b"aaaa", None, b"cccc")
    recent.add("d", b"d" * 11)
    assert recent.get("d") is None
    assert recent.get("a") == b"aaaa"


def test_adding_again_holds_once() -> None:
    recent = RecentOctets(10)
    for _ in range(5):
        recent.add("a", b"aaaa")
    recent.add("b", b"bbbb")
    assert recent.get("a") == b"aaaa"


def test_an_answer_is_believed_for_its_time() -> None:
    now = 0.0
    recent: Recent[str | None] = Recent(1.0, 2, lambda: now)
    recent.add("a", None, recent.age)
    assert recent.get("a") == (None,)
    now = 1.5
    assert recent.get("a") is None


def test_no_more_answers_than_the_limit() -> None:
    recent: Recent[int] = Recent(1.0, 2, lambda: 0.0)
    for number, name in enumerate("abc"):
        recent.add(name, number, recent.age)
    assert [recent.get(name) for name in "abc"] == [None, (1,), (2,)]


def test_an_answer_from_before_a_change_is_not_kept() -> None:
    recent: Recent[int] = Recent(1.0, 2, lambda: 0.0)
    age = recent.age
    recent.forget()
    recent.add("a", 1, age)
    assert recent.get("a") is None
