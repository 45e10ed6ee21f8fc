"""The pictures of the documents: `make screenshots` takes them of a running dev environment, light and dark, wide and narrow.

python -m tests.browser.screenshots [pages/queue …]      only these
"""

from __future__ import annotations

import base64
import io
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

from tests.browser.browsing import PHONE, chromium
from tests.browser.environment import Environment
from tests.browser.letters import letter, order

IMAGES = Path(__file__).parents[2] / "docs" / "images"
DESK = (1100, 800)
QUALITY = 0.82
SMALL, SMALL_QUALITY = 0.5, 0.6
"""Of the pictures in docs/reference/pages.md, which has them all."""
LARGE = ("inbox", "letter", "journey", "queue")
FRAMES, FRAME_MS = 40, 150
"""Length of the film of a journey."""
PAGES = {
    "inbox": ("#/letters", ".row"),
    "letter": ("#/letter/{order}", "iframe"),
    "headers": ("#/letter/{order}/headers", "#main >> text=MIME-Version"),
    "checks": ("#/letter/{order}/checks", "#main >> text=Unsubscribing"),
    "journey": ("#/journey/{sent}", ".map"),
    "queue": ("#/queue", ".group"),
    "protocol": ("#/protocol", ".log li"),
    "servers": ("#/servers", "#main >> text=mx.home.test"),
    "accounts": ("#/accounts", "#main table"),
    "aliases": ("#/aliases", "#main table"),
    "zone": ("#/zone", "#main table"),
    "faults": ("#/faults", "#main table"),
    "clock": ("#/clock", ".bigclock"),
    "setup": ("#/setup", "#main >> text=Thunderbird"),
    "setup-client": ("#/setup?client=ios&address=alice@home.test", "#main .walk"),
    "frameworks": ("#/frameworks?name=Django", "#main pre"),
}

JOIN = """async ([pictures, quality, scale]) => {
    const loaded = await Promise.all(pictures.map(async source => { const image = new Image(); image.src = source; await image.decode(); return image; }));
    for (const each of loaded) { each.width *= scale; each.height *= scale; }
    const gap = 24 * scale, width = loaded.reduce((sum, each) => sum + each.width + gap, gap), height = Math.max(...loaded.map(each => each.height)) + 2 * gap;
    const canvas = Object.assign(document.createElement('canvas'), {width, height}), pen = canvas.getContext('2d');
    pen.fillStyle = '#c9cdd6'; pen.fillRect(0, 0, width, height);
    let left = gap;
    for (const each of loaded) {
        pen.save(); pen.beginPath(); pen.roundRect(left, gap, each.width, each.height, 14 * scale); pen.clip();
        pen.drawImage(each, left, gap, each.width, each.height); pen.restore(); left += each.width + gap;
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
    replies = {"*@busy.test": "451 4.7.1 greylisted, come again", "nobody@*": "550 5.1.1 no such mailbox here"}
    for recipient, reply in replies.items():
        dev.api("POST", "v1/faults", {"at": "rcpt", "recipient": recipient, "reply": reply, "service": "mx"})
    to = ("bob@home.test", "carol@elsewhere.test", "erin@busy.test", "nobody@far.test")
    sent = dev.submit(letter("Tickets for Friday", From="Alice <alice@home.test>", To=", ".join(to)), *to)
    for name in ("Invoice 2026-118", "Invitation to the review"):
        dev.submit(letter(name, From="Alice <alice@home.test>", To="finn@busy.test"), "finn@busy.test")
    shown = dev.send(order(), "bob@home.test")
    dev.summary(shown)
    dev.api("POST", "v1/aliases", {"address": "sales@home.test", "targets": ["alice@home.test", "bob@home.test"]})
    dev.api("PATCH", "v1/letters", {"query": "subject:Rechnung", "add_tags": ["to pay"]})
    dev.api("PATCH", "v1/letters", {"query": "from:news@weekly.example", "unread": False})
    steps = lambda: {step["step"] for step in dev.api("GET", f"v1/journeys/{sent}")["steps"]}  # noqa: E731
    dev.wait(lambda: steps() >= {"bounced", "deferred"})
    return {"order": shown, "sent": sent}


def take(
    browser: Any, dev: Environment, name: str, where: str, shown: str, *, scale: float = 1, quality: float = QUALITY
) -> None:
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
    joined = page.evaluate(JOIN, [sources, quality, scale])
    page.close()
    file = IMAGES / f"{name}.webp"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(base64.b64decode(joined.partition(",")[2]))
    sys.stdout.write(f"{file} {file.stat().st_size // 1024} kB\n")


def film(browser: Any, dev: Environment) -> None:
    """Films a journey live: three servers, a greylisting host, and a retry after the clock was moved."""
    for rule in (
        {"at": "rcpt", "recipient": "*@grey.test", "reply": "451 4.7.1 greylisted, try again", "times": 1},
        {"at": "mail", "delay": "1s"},
        {"at": "final", "delay": "1s"},
    ):
        dev.api("POST", "v1/faults", {**rule, "service": "mx"})
    context = browser.new_context(viewport={"width": 1280, "height": 640}, color_scheme="light", locale="en-GB")
    page = context.new_page()
    plan = letter("Plans for Friday", From="Alice <alice@home.test>", To="carol@elsewhere.test, dan@grey.test")
    sent = dev.submit(plan, "carol@elsewhere.test", "dan@grey.test")
    page.goto(f"{dev.web}#/journey/{sent}")
    page.locator(".map").first.wait_for()
    frames: list[Image.Image] = []
    durations: list[int] = []
    for index in range(FRAMES):
        if index == FRAMES // 2:
            dev.api("POST", "v1/clock", {"advance": "30m"})
        frame = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        frame = frame.resize((frame.width * 3 // 4, frame.height * 3 // 4))
        if frames and frame.tobytes() == frames[-1].tobytes():
            durations[-1] += FRAME_MS
        else:
            frames.append(frame)
            durations.append(FRAME_MS)
        page.wait_for_timeout(FRAME_MS)
    context.close()
    durations[-1] = 3000
    file = IMAGES / "journey-live.webp"
    frames[0].save(file, save_all=True, append_images=frames[1:], duration=durations, loop=0, quality=55, method=6)
    sys.stdout.write(f"{file} {file.stat().st_size // 1024} kB, {len(frames)} frames\n")


def main() -> None:
    with tempfile.TemporaryDirectory() as run, chromium() as (browser, _), Environment(Path(run)) as dev:
        letters = furnish(dev)
        wanted = sys.argv[1:] or [*LARGE, "journey-live", *(f"pages/{name}" for name in PAGES)]
        if "journey-live" in wanted:
            film(browser, dev)
        for name in LARGE:
            if name in wanted:
                where, shown = PAGES[name]
                take(browser, dev, name, where.format(**letters), shown)
        for name, (where, shown) in PAGES.items():
            if f"pages/{name}" in wanted:
                small = {"scale": SMALL, "quality": SMALL_QUALITY}
                take(browser, dev, f"pages/{name}", where.format(**letters), shown, **small)


if __name__ == "__main__":
    main()
