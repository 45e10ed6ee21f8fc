"""HTML source of a letter in Chromium: tokens, their time, and hostile markup as text."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.browsing import until
from tests.browser.conftest import Open
from tests.browser.environment import Environment
from tests.browser.letters import HARM, ORDER, letter

TOKENS = "html => import('./pages/html-tokens.js').then(({tokens}) => [...tokens(html)])"
ODD = [
    "",
    "<",
    "a < b <> </ > </p",
    '<a href="x',
    "<a href='x\"' b=c/d = e>f</a>",
    "<a b<c d>e",
    "<!--",
    "<!-->x--><!doctype html><?xml ?>",
    "<!x",
    "<script>a<b</SCRIPT>c<style>p{}<",
    "<Title><b></title>\u0130<İ>",
    "<a\n/b=>\0\ud83d",
    HARM,
    ORDER,
]

PARTS = ["<", "<a ", "<!--", "<a b=", "<a b='", "<a b=\"c'", "<script>", "</", "<a/", "<style></", "=", "<!", "<title>"]


@pytest.fixture
def page(visit: Open) -> Any:
    return visit("#/setup")


def test_tokens_together_are_the_html(page: Any) -> None:
    for html in ODD:
        found = page.evaluate(TOKENS, html)
        assert "".join(text for _, text in found) == page.evaluate("html => html", html)
        assert all(text for _, text in found)


def test_each_token_has_its_kind(page: Any) -> None:
    found = page.evaluate(TOKENS, "<!--c--><a href='x' b=y disabled>t &amp; u</a><style>p{}</style>")
    kinds = {text: kind for kind, text in found}
    assert {kinds[each] for each in ("<a", ">", "</a", "<style", "=")} == {"tag"}
    assert (kinds["<!--c-->"], kinds["t &amp; u"], kinds["p{}"]) == ("comment", "text", "raw")
    assert {kinds[each] for each in ("href", "b", "disabled")} == {"attribute"}
    assert {kinds[each] for each in ("'x'", "y")} == {"value"}


def test_no_html_takes_more_than_linear_time(page: Any) -> None:
    for part in PARTS:
        spent = page.evaluate(
            """async part => { const {tokens} = await import('./pages/html-tokens.js');
            const time = count => { const html = part.repeat(count), begun = performance.now(); for (const _ of tokens(html)); return performance.now() - begun; };
            time(10000); return time(200000); }""",
            part,
        )
        assert spent < 2000, f"quadratic time would be minutes: {part}"


def test_the_source_is_shown_as_text_and_copied(visit: Open, dev: Environment) -> None:
    message = letter("Harm")
    message.add_alternative(HARM, subtype="html")
    found = dev.send(message, "bob@home.test")
    html = dev.api("GET", f"v1/letters/{found}")["html"]
    page = visit(f"#/letter/{found}/code", permissions=("clipboard-read", "clipboard-write"))
    source = page.locator(".source.html")
    source.wait_for()
    assert source.evaluate("each => each.textContent") == html
    assert source.evaluate("each => [...each.querySelectorAll('*')].every(one => one.localName === 'span')")
    page.get_by_label("Copy the HTML").click()
    until(page, "navigator.clipboard.readText().then(text => text.includes('top.harmed=1'))")
    assert page.evaluate("window.harmed") is None


def test_a_huge_source_is_shown_at_once_without_colors_at_its_end(visit: Open, dev: Environment) -> None:
    message = letter("Huge")
    message.add_alternative("<p>" + "<b>x</b>\n" * 60_000, subtype="html")
    page = visit(f"#/letter/{dev.send(message, 'bob@home.test')}/code")
    source = page.locator(".source.html")
    source.wait_for()
    page.locator(".quiet", has_text="The beginning of a long HTML text.").wait_for()
    assert source.evaluate("each => each.textContent.length") == 300_000
    assert source.evaluate("each => each.querySelectorAll('*').length") <= 20_000
