"""What is held in memory stays within its bounds and is never older than it may be."""

from __future__ import annotations

from mailstack.store.content_cache import ContentCache, RecentOctets


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
    recent: ContentCache[str | None] = ContentCache(1.0, 2, lambda: now)
    recent.add("a", None, recent.age)
    assert recent.get("a") == (None,)
    now = 1.5
    assert recent.get("a") is None


def test_no_more_answers_than_the_limit() -> None:
    recent: ContentCache[int] = ContentCache(1.0, 2, lambda: 0.0)
    for number, name in enumerate("abc"):
        recent.add(name, number, recent.age)
    assert [recent.get(name) for name in "abc"] == [None, (1,), (2,)]


def test_an_answer_from_before_a_change_is_not_kept() -> None:
    recent: ContentCache[int] = ContentCache(1.0, 2, lambda: 0.0)
    age = recent.age
    recent.invalidate()
    recent.add("a", 1, age)
    assert recent.get("a") is None


def test_an_answer_is_believed_longer_while_the_sign_stays_and_looked_at_once_in_its_time() -> None:
    now, sign, looks = 0.0, "first", 0

    def look() -> str:
        nonlocal looks
        looks += 1
        return sign

    recent: ContentCache[int] = ContentCache(1.0, 5, lambda: now, mark=look, max_seconds=10.0)
    for name in "abc":
        recent.add(name, 1, recent.age)
    for second in range(1, 10):
        now = second * 1.1
        assert [recent.get(name) for name in "abc"] == [(1,)] * 3
        assert looks == second + 1
    now = 10.5
    assert recent.get("a") is None, "nothing is believed for ever"


def test_what_another_process_changed_is_believed_no_longer_than_without_a_sign() -> None:
    now, sign = 0.0, 1
    recent: ContentCache[int] = ContentCache(1.0, 5, lambda: now, mark=lambda: sign)
    recent.add("a", 1, recent.age)
    now = 1.9
    assert recent.get("a") == (1,)
    now, sign = 2.0, 2
    while now < 3.0:
        recent.get("a")
        now += 0.1
    assert recent.get("a") is None


def test_an_answer_to_a_question_from_before_a_change_is_not_believed_for_the_sign_of_after_it() -> None:
    now, sign = 0.0, 1
    recent: ContentCache[int] = ContentCache(1.0, 5, lambda: now, mark=lambda: sign)
    age = recent.age
    now, sign = 1.5, 2
    recent.add("a", 1, age)
    now = 3.0
    assert recent.get("a") is None
