"""The pictures of the documents: `make screenshots` takes them of a running dev environment, light and dark, wide and narrow."""

from __future__ import annotations

import base64
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.browser.browsing import PHONE, chromium
from tests.browser.environment import Environment
from tests.browser.letters import letter, order
from tests.journeys.process import Process

IMAGES = Path(__file__).parents[2] / "docs" / "images"
DESK = (1180, 800)
QUALITY = 0.82

JOIN = """async ([pictures, quality]) => {
    const loaded = await Promise.all(pictures.map(async source => { const image = new Image(); image.src = source; await image.decode(); return image; }));
    const gap = 24, width = loaded.reduce((sum, each) => sum + each.width + gap, gap), height = Math.max(...loaded.map(each => each.height)) + 2 * gap;
    const canvas = Object.assign(document.createElement('canvas'), {width, height}), pen = canvas.getContext('2d');
    pen.fillStyle = '#c9cdd6'; pen.fillRect(0, 0, width, height);
    let left = gap;
    for (const each of loaded) {
        pen.save(); pen.beginPath(); pen.roundRect(left, gap, each.width, each.height, 14); pen.clip();
        pen.drawImage(each, left, gap); pen.restore(); left += each.width + gap;
    }
    return canvas.toDataURL('image/webp', quality);
}"""


def furnish(dev: Environment) -> dict[str, str]:
    """A day's letters; gives back those that are shown."""
    usual = [
        ("Nightly <cron@build.example>", "Build 812 failed: 3 of 2,044 tests", "bob@home.test"),
        ("Zoë Müller <zoe@mueller.example>", "Rechnung für November 🎉", "alice@home.test"),
        ("أحمد علي <ahmed@salam.example>", "مرحبا بك في خدمتنا", "bob@home.test"),
        ("Accounts <no-reply@app.example>", "Reset your password", "carol@elsewhere.test"),
        ("The Weekly <news@weekly.example>", "Everything that happened in the last seven days", "bob@home.test"),
        ("Support <help@app.example>", "Re: Where is my parcel?", "dave@far.test"),
    ]
    for index, (author, subject, to) in enumerate(usual * 2):
        dev.send(letter(subject, f"Your code is {482913 - index * 37}.\n", From=author, To=to), to)
    dev.api(
        "POST",
        "v1/faults",
        {"at": "rcpt", "recipient": "*@busy.test", "reply": "451 4.7.1 greylisted, come again", "service": "mx"},
    )
    dev.api(
        "POST",
        "v1/faults",
        {"at": "rcpt", "recipient": "nobody@*", "reply": "550 5.1.1 no such mailbox here", "service": "mx"},
    )
    travel = letter(
        "Tickets for Friday",
        From="Alice <alice@home.test>",
        To="bob@home.test, carol@elsewhere.test, erin@busy.test, nobody@far.test",
    )
    sent = dev.submit(travel, "bob@home.test", "carol@elsewhere.test", "erin@busy.test", "nobody@far.test")
    for name in ("Invoice 2026-118", "Invitation to the review"):
        dev.submit(letter(name, From="Alice <alice@home.test>", To="finn@busy.test"), "finn@busy.test")
    shown = dev.send(order(), "bob@home.test")
    dev.summary(shown)
    dev.api("PATCH", "v1/letters", {"query": "subject:Rechnung", "add_tags": ["to pay"]})
    dev.api("PATCH", "v1/letters", {"query": "from:news@weekly.example", "unread": False})
    dev.wait(
        lambda: {"bounced", "deferred"} <= {step["step"] for step in dev.api("GET", f"v1/journeys/{sent}")["steps"]}
    )
    return {"order": shown, "sent": sent}


def take(browser: Any, dev: Environment, name: str, where: str, shown: str) -> None:
    """One picture: a desk in light, a phone in the dark."""
    sources = []
    for size, scheme in ((DESK, "light"), (PHONE, "dark")):
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, reduced_motion="reduce", locale="en-GB"
        )
        page = context.new_page()
        page.goto(dev.web + where)
        page.locator(shown).first.wait_for()
        page.wait_for_timeout(1500)
        sources.append("data:image/png;base64," + base64.b64encode(page.screenshot()).decode())
        context.close()
    page = browser.new_page()
    joined = page.evaluate(JOIN, [sources, QUALITY])
    page.close()
    IMAGES.mkdir(exist_ok=True)
    file = IMAGES / f"{name}.webp"
    file.write_bytes(base64.b64decode(joined.partition(",")[2]))
    sys.stdout.write(f"{file} {file.stat().st_size // 1024} kB\n")


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as run,
        chromium() as (browser, _),
        Process("dev", "--port-base", "0", "--json", "--quiet", environ={"XDG_RUNTIME_DIR": run}) as process,
    ):
        dev = Environment(process, {})
        letters = furnish(dev)
        take(browser, dev, "inbox", "#/letters", ".row")
        take(browser, dev, "letter", f"#/letter/{letters['order']}", "iframe")
        take(browser, dev, "journey", f"#/journey/{letters['sent']}", ".map")
        take(browser, dev, "queue", "#/queue", ".group")


if __name__ == "__main__":
    main()
