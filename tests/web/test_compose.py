"""Limits of letters composed by HTTP, checked first and named in the error."""

from __future__ import annotations

from typing import Any

import pytest

from mailstack.letter.parsed import parse
from mailstack.web.compose import ComposeLimits, DraftAddress, DraftAttachment, LetterDraft, compose
from mailstack.web.http_messages import HttpError

LIMITS = ComposeLimits(size=10_000, recipients=3, attachments=2, fields=2)
AUTHOR, BOB = DraftAddress("alice@home.test"), DraftAddress("bob@home.test")


def sending(**more: Any) -> LetterDraft:
    return LetterDraft(author=AUTHOR, **{"to": (BOB,), **more})


@pytest.mark.parametrize(
    ("letter", "status", "reason"),
    [
        (sending(to=(BOB,) * 2, cc=(BOB,), bcc=("x@y.test",)), 422, "4 recipients; the maximum is 3 .*max_recipients"),
        (sending(reply_to=(BOB,) * 4), 422, "4 Reply-To addresses; the maximum is 3"),
        (
            sending(attachments=(DraftAttachment("", "x"),) * 3),
            422,
            "3 attachments; the maximum is 2 .*max_attachments",
        ),
        (sending(headers={"X-A": "", "X-B": "", "X-C": ""}), 422, "3 header fields; the maximum is 2"),
        (sending(tags=("a", "b", "c")), 422, "3 tags; the maximum is 2"),
        (sending(subject="é" * 500), 422, "subject has 1000 octets; the maximum is 998"),
        (sending(headers={"X-A": "x" * 999}), 422, "header field has 999 octets"),
        (sending(tags=("x" * 999,)), 422, "tag has 999 octets"),
        (sending(to=(DraftAddress("bob@home.test", "é" * 128),)), 422, "name has 256 octets; the maximum is 255"),
        (sending(attachments=(DraftAttachment("", "x" * 256),)), 422, "name has 256 octets"),
        (sending(attachments=(DraftAttachment("", "x", "a/" + "b" * 255),)), 422, "media type has 257 octets"),
        (sending(attachments=(DraftAttachment("", "x", "", "c" * 256),)), 422, "Content-ID has 256 octets"),
        (sending(text="x" * 6000, html="x" * 6000), 413, "the maximum is 10000 octets .*max_size"),
        (sending(attachments=(DraftAttachment("A" * 16_000, "x"),)), 413, "the maximum is 10000 octets"),
        (sending(text="é" * 5000), 413, "the maximum is 10000 octets"),
    ],
)
def test_letter_above_a_limit_is_refused(letter: LetterDraft, status: int, reason: str) -> None:
    with pytest.raises(HttpError, match=reason) as trouble:
        compose(letter, LIMITS, 0.0)
    assert trouble.value.status == status


def test_letter_at_the_limits_is_composed() -> None:
    full = sending(
        to=(BOB, DraftAddress("carol@home.test", "C" * 255)),
        bcc=("dan@home.test",),
        subject="s" * 998,
        tags=("one", "two"),
        headers={"X-A": "x" * 998, "X-B": "é"},
        attachments=(DraftAttachment("QUJD", "é" * 127), DraftAttachment("", "b")),
    )
    letter = compose(full, LIMITS, 0.0)
    assert letter.recipients == ("bob@home.test", "carol@home.test", "dan@home.test")
    found = parse(letter.octets)
    assert (found.subject, found.first("X-A"), found.first("X-B")) == ("s" * 998, "x" * 998, "é")
    assert [found.content_of(part) for part in found.attachments] == [b"ABC", b""]
    assert b"dan@" not in letter.octets


@pytest.mark.parametrize("content_id", ["é", "a\x01b"])
def test_invalid_content_id_is_refused(content_id: str) -> None:
    with pytest.raises(HttpError, match="not a valid Content-ID"):
        compose(sending(html="x", attachments=(DraftAttachment("", "x", "", content_id),)), LIMITS, 0.0)
