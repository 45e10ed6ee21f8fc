"""Letters from what the command line gives."""

from __future__ import annotations

from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.cli.compose import compose, header_addresses, with_crlf
from mailstack.cli.output import CommandError
from mailstack.cli.send_run import parse_server


def test_a_new_letter_has_its_header_its_text_and_its_files(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("a,b\n")
    octets = compose(
        "alice@home.test", ["bob@home.test"], "Grüße", "Hallo\n", [tmp_path / "list.csv"], ["X-Test: 1", "to: all:;"]
    )
    letter = message_from_bytes(octets, policy=default)
    assert (letter["From"], letter["To"], letter["Subject"]) == ("alice@home.test", "all:;", "Grüße")
    assert letter["X-Test"] == "1"
    assert letter["Message-ID"].endswith("@home.test>")
    assert [part.get_filename() for part in letter.iter_attachments()] == ["list.csv"]  # type: ignore[attr-defined]
    assert octets.count(b"\n") == octets.count(b"\r\n")


def test_addresses_beyond_ascii_stand_in_the_header_as_they_are() -> None:
    """UTF8-01: RFC 6532 §3."""
    octets = compose("grüße@bücher.test", ["用户@home.test"], "Grüße", "Hallo\n", [], [])
    assert "From: grüße@bücher.test\r\nTo: 用户@home.test\r\n".encode() in octets
    assert b"@xn--bcher-kva.test>\r\n" in octets
    assert header_addresses(octets, "From", "To") == ["grüße@bücher.test", "用户@home.test"]


@pytest.mark.parametrize(
    "header", ["no colon", "X: one\nX: two", "Sub ject: x", ": x", "Content-Type: text/html", "mime-version: 2"]
)
def test_a_header_that_is_none_is_refused(header: str) -> None:
    with pytest.raises(CommandError):
        compose("alice@home.test", ["bob@home.test"], "", "", [], [header])


def test_a_name_in_an_address_field_is_encoded_and_its_address_is_not() -> None:
    octets = compose("alice@home.test", ["bob@home.test"], "", "", [], ["Cc: Jörg <jörg@home.test>, x@y.test"])
    assert "\r\nCc: =?utf-8?b?SsO2cmc=?= <jörg@home.test>, x@y.test\r\n".encode() in octets


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="missing"):
        compose("alice@home.test", ["bob@home.test"], "", "", [tmp_path / "missing"], [])


@given(st.binary())
def test_every_line_of_a_letter_ends_in_crlf(octets: bytes) -> None:
    travelling = with_crlf(octets)
    assert travelling.count(b"\n") == travelling.count(b"\r\n")
    assert not travelling or travelling.endswith(b"\r\n")
    assert with_crlf(travelling) == travelling or travelling.startswith(b"From ")


def test_an_mboxes_first_line_is_no_part_of_the_letter() -> None:
    assert with_crlf(b"From alice Mon Jan  1\nSubject: x\n") == b"Subject: x\r\n"


@given(st.binary(max_size=200))
def test_whatever_a_letter_holds_its_recipients_can_be_asked(octets: bytes) -> None:
    header_addresses(b"To: " + octets, "To", "Cc", "Bcc")


def test_recipients_of_a_letter_are_those_of_its_fields() -> None:
    octets = b"To: Bob <bob@home.test>, alice@home.test\r\nCc: bob@home.test\r\nBcc: carol@elsewhere.test\r\n\r\n"
    assert header_addresses(octets, "To", "Cc", "Bcc") == ["bob@home.test", "alice@home.test", "carol@elsewhere.test"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mx.home.test", ("mx.home.test", 587)),
        ("mx.home.test:2525", ("mx.home.test", 2525)),
        ("[::1]:2525", ("::1", 2525)),
        ("[::1]", ("::1", 587)),
    ],
)
def test_servers(text: str, expected: tuple[str, int]) -> None:
    assert parse_server(text, "starttls") == expected


@pytest.mark.parametrize("text", ["mx:", ":25", "mx:0", "mx:65536", "mx:smtp"])
def test_what_is_no_server_is_refused(text: str) -> None:
    with pytest.raises(CommandError):
        parse_server(text, "starttls")
