"""The options of sendmail, as programs really write them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.cli.sendmail.options import USAGE, SendmailError, SendmailOptions, parse


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("-t -i", {"from_header": True, "dot_ends": False}),
        ("-ti", {"from_header": True, "dot_ends": False}),
        ("-oi -t", {"from_header": True, "dot_ends": False}),  # git send-email, mutt
        ("-FCronDaemon -i -B8BITMIME -oem root", {"name": "CronDaemon", "dot_ends": False, "recipients": ("root",)}),
        ("-F Cron -odi -oem -oi -t", {"name": "Cron", "from_header": True, "dot_ends": False}),
        ("-t -i -f web@home.test", {"from_header": True, "dot_ends": False, "sender": "web@home.test"}),
        ("-fweb@home.test a@x.test b@x.test", {"sender": "web@home.test", "recipients": ("a@x.test", "b@x.test")}),
        ("-r web -- -strange@x.test", {"sender": "web", "recipients": ("-strange@x.test",)}),
        ("-f <> a@x.test", {"sender": "<>", "recipients": ("a@x.test",)}),
        (
            "-N success,failure -V id -R hdrs a",
            {"notify": "SUCCESS,FAILURE", "envid": "id", "ret": "HDRS", "recipients": ("a",)},
        ),
        ("-Nnever -Rfull a", {"notify": "NEVER", "ret": "FULL", "recipients": ("a",)}),
        ("-bm -v -G -U -n -h 5 -O x=y -X /tmp/log -L tag a", {"verbose": True, "recipients": ("a",)}),
        ("-bp", {"mode": "list"}),
        ("-bi", {"mode": "aliases"}),
        ("-q", {"mode": "flush"}),
        ("-qRelsewhere.test", {"mode": "flush", "only": ("R", "elsewhere.test")}),
        ("-qI1kq2v7m4e80c3xz", {"mode": "flush", "only": ("I", "1kq2v7m4e80c3xz")}),
    ],
)
def test_they_mean_what_other_sendmails_mean(line: str, meant: dict[str, Any]) -> None:
    assert parse(line.split()) == SendmailOptions(**meant)


@pytest.mark.parametrize(
    "line", ["-bs", "-bd", "-bx", "-q30m", "-k", "-f", "-N sometimes", "-R some", "-N never,success"]
)
def test_what_is_not_offered_is_wrong_usage(line: str) -> None:
    with pytest.raises(SendmailError) as ended:
        parse(line.split())
    assert ended.value.code == USAGE


@given(st.lists(st.text(max_size=8), max_size=6))
def test_any_words_are_options_or_wrong_usage(words: list[str]) -> None:
    with suppress(SendmailError):
        assert len(parse(words).recipients) <= len(words)


@pytest.mark.parametrize(
    "arguments",
    [["-f", "bob@home.test\nX: y", "a@x.test"], ["a@x.test\r\nRCPT TO:<c@d.test>"], ["-FBob\nBcc: c@d.test", "a"]],
)
def test_a_line_end_in_an_argument_is_refused(arguments: list[str]) -> None:
    """What somebody typed into a form would be read as another address than it begins with."""
    with pytest.raises(SendmailError, match="line break") as ended:
        parse(arguments)
    assert ended.value.code == USAGE
