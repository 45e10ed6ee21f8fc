"""Screenshots: size, colours, parts, and hostile letters, in a real Chromium."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from mailstack.web.screenshots import ScreenshotFailed, ScreenshotTimeout
from tests.browser.letters import HARM
from tests.web.screenshots.browser import html_letter, make_screenshots, needs_chromium, picture_of, png

pytestmark = needs_chromium

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 128, 0), (0, 0, 255), (255, 255, 255)
NO_MARGIN = "<style>body { margin: 0 }</style>"


def test_a_whole_letter_with_its_own_picture() -> None:
    """The image is as high as the letter; a cid: picture is loaded."""
    html = f'{NO_MARGIN}<div style="height: 700px; background: red"></div><img src="cid:picture" width=200 height=50 style="display: block">'
    picture = picture_of(make_screenshots(), html_letter(html, png("blue")))
    assert picture.size == (200, 750)
    assert picture.getpixel((100, 699)) == RED
    assert picture.getpixel((100, 725)) == BLUE


def test_a_part_of_a_letter_in_dark_colours() -> None:
    """The height is the wanted one, and the letter prefers dark colours."""
    html = f"{NO_MARGIN}<style>body {{ background: red }} @media (prefers-color-scheme: dark) {{ body {{ background: blue }} }}</style><p>"
    screenshots = make_screenshots()
    picture = picture_of(screenshots, html_letter(html), height=120, is_whole=False, is_dark=True)
    assert picture.size == (200, 120)
    assert picture.getpixel((100, 110)) == BLUE
    assert picture_of(screenshots, html_letter(html)).getpixel((100, 90)) == RED


def test_a_long_letter_is_cut_off() -> None:
    html = f'{NO_MARGIN}<div style="height: 90000px; background: red"></div>'
    assert picture_of(make_screenshots(max_height=300), html_letter(html)).size == (200, 300)


def test_a_letter_without_html_shows_its_text() -> None:
    picture = picture_of(make_screenshots(), b"Subject: Text\r\n\r\n" + b"<b>MMMM</b> \xff\r\n" * 20)
    assert picture.height > 300
    assert picture.getcolors(100_000) != [(picture.width * picture.height, WHITE)]


def test_no_script_runs_and_nothing_but_the_letter_is_read(tmp_path: Path) -> None:
    """Scripts, files of this machine, and other hosts would each paint the page green."""
    secret = tmp_path / "secret.png"
    secret.write_bytes(png("green"))
    with socket.create_server(("127.0.0.1", 0)) as trap:
        far = f"http://127.0.0.1:{trap.getsockname()[1]}"
        html = f"""<html><head><meta http-equiv="refresh" content="0; url={far}/refresh">
<link rel="preconnect" href="{far}"><link rel="stylesheet" href="{far}/style.css"><link rel="stylesheet" href="file://{secret}">
<style>@import url({far}/import.css); body {{ margin: 0; background: url({far}/x.png), url(file://{secret}) }}</style></head>
<body onload="document.body.style.background='green'"><script>document.write('<div style="height: 900px; background: green">')</script>
<img src="{far}/a.png" width=99 height=99 alt=""><img src="file://{secret}" width=99 height=99 alt="">
<iframe src="file://{secret}"></iframe><object data="{far}/o"></object><embed src="file://{secret}">
<svg><image href="file://{secret}" width=99 height=99 /></svg><video src="{far}/v" autoplay></video>
<img src="parts/99/../../secret" alt=""></body></html>"""
        picture = picture_of(make_screenshots(), html_letter(html))
        trap.settimeout(0.1)
        with pytest.raises(TimeoutError):
            trap.accept()
    assert GREEN not in {colour for _, colour in picture.getcolors(1_000_000) or ()}


def test_a_hostile_letter_has_a_screenshot() -> None:
    assert picture_of(make_screenshots(), html_letter(HARM)).width == 200


@pytest.mark.parametrize("timeout", [0.01, 1.5])
def test_a_letter_that_takes_too_long_is_given_up(timeout: float) -> None:
    """At the start, and in the middle of a layout that takes nine seconds; the browser is ended."""
    html = '<div style="display: grid">' * 500 + "<table><tr><td>x" * 12_000
    with pytest.raises(ScreenshotTimeout, match="took more than"):
        picture_of(make_screenshots(timeout=timeout), html_letter(html))


def test_a_letter_that_needs_too_much_memory_is_given_up() -> None:
    """The limit is that of each process; Chromium itself needs less."""
    many = "".join(
        f'<div style="will-change: transform; width: 2000px; height: {5000 + n}px">x</div>' for n in range(60)
    )
    with pytest.raises(ScreenshotFailed):
        picture_of(make_screenshots(memory=64 * 1024 * 1024), html_letter(many))
