/** A letter's text: as HTML in a frame in which nothing runs, or plain. */

import { at, get, part } from "./api.js";
import { button, fill, h } from "./dom.js";
import { linked, outward, safeLink } from "./format.js";
import { icon } from "./icons.js";
import { pressed } from "./keyboard.js";
import { loading } from "./live-view.js";
import { showError } from "./notices.js";

const WIDTHS = { phone: "As on a phone", tablet: "As on a tablet", full: "As wide as there is room" };
const ICONS = { phone: "phone", tablet: "tablet", full: "screen" };
const REMOTE = /(?:src|srcset|background|href|poster)\s*=\s*["']?\s*(?:https?:)?\/\/|url\(\s*["']?\s*(?:https?:)?\/\//i;
/** What may want something from elsewhere; a guess, for the offer to show it. The server decides what is let through. */
const PIECE = 16_384; // characters of a long text that are drawn together
const SMALLEST = 0.5; // to which a wide letter is shrunk where there is little room, as phones do
const TALLEST = 20_000; // pixels of a frame; what is longer scrolls inside

/** The HTML. The frame is sandboxed: no script, no form, no way out but links in new windows. */
export function showHtml(panel, letter) {
    let width = sessionStorage.getItem("width") ?? "full";
    const frame = h("iframe", {
        title: "The letter",
        sandbox: "allow-same-origin allow-popups allow-popups-to-escape-sandbox",
        referrerpolicy: "no-referrer",
        src: source(letter, false),
        onload: () => settle(frame),
    });
    const stage = h("div", { class: "stage", "data-width": width }, frame);
    const widths = h("div", { class: "widths", role: "group", "aria-label": "Width" });
    const draw = () =>
        fill(
            widths,
            Object.entries(WIDTHS).map(([name, words]) =>
                h(
                    "button",
                    {
                        type: "button",
                        title: words,
                        "aria-label": words,
                        "aria-pressed": String(width === name),
                        onclick: () => choose(name),
                    },
                    icon(ICONS[name]),
                ),
            ),
        );
    const choose = (name) => {
        width = name;
        sessionStorage.setItem("width", name);
        stage.dataset.width = name;
        draw();
        settle(frame);
    };
    draw();
    fill(panel, h("div", { class: "viewing" }, REMOTE.test(letter.html) ? remote(letter, frame) : null, widths), stage);
    const watcher = new ResizeObserver(() => settle(frame));
    watcher.observe(stage);
    return () => watcher.disconnect();
}

/** The plain text; of a long one the beginning, with an offer to show all. */
export function showText(panel, letter) {
    const plain = h("div", { class: "plain" });
    let ended = false;
    const pre = (text) => h("pre", { dir: "auto" }, linked(text));
    const rest = h("p", { class: "viewing" });
    const showAll = async () => {
        fill(rest, loading());
        const whole = await get(`v1/letters/${part(letter.id)}`);
        if (ended) return;
        fill(plain);
        // Piece by piece, so that the page can be used meanwhile; a browser lays out those in sight alone.
        for (const piece of pieces(whole.text)) {
            plain.append(pre(piece));
            await new Promise((resume) => setTimeout(resume));
            if (ended) return;
        }
        fill(rest, whole.text_truncated ? "The rest is in the source." : null);
    };
    const offer = () =>
        fill(
            rest,
            h("span", { class: "quiet" }, "The beginning of a long text."),
            button("Show all", () => showAll().catch((error) => (offer(), showError(error)))),
        );
    fill(plain, letter.text.trim() ? pre(letter.text) : h("span", { class: "quiet" }, "This letter has no text."));
    if (letter.text_truncated) offer();
    fill(panel, plain, letter.text_truncated ? rest : null);
    return () => (ended = true);
}

/** A text in pieces that end with a line, where there is an end of one. */
function* pieces(text) {
    for (let at = 0; at < text.length; ) {
        const end = text.lastIndexOf("\n", at + PIECE) + 1;
        const stop = at + PIECE >= text.length ? text.length : end > at ? end : at + PIECE;
        yield text.slice(at, stop);
        at = stop;
    }
}

function source(letter, wholeWorld) {
    return at(`v1/letters/${part(letter.id)}/html`, { remote: wholeWorld ? 1 : 0 });
}

function remote(letter, frame) {
    const line = h("span", { class: "remote" });
    const off = () =>
        fill(
            line,
            icon("shield"),
            h("span", {}, "Nothing is loaded from elsewhere."),
            h(
                "button",
                {
                    type: "button",
                    class: "link",
                    onclick: () => {
                        frame.src = source(letter, true);
                        on();
                    },
                },
                "Load remote content",
            ),
        );
    const on = () =>
        fill(
            line,
            icon("warn"),
            h("span", {}, "Remote content is loaded."),
            h(
                "button",
                {
                    type: "button",
                    class: "link",
                    onclick: () => {
                        frame.src = source(letter, false);
                        off();
                    },
                },
                "Stop",
            ),
        );
    off();
    return line;
}

/** Makes the frame as tall as its letter, and lets links and keys in it do what they should. */
function settle(frame) {
    const inside = frame.contentDocument;
    if (!inside?.documentElement) return;
    const root = inside.documentElement;
    root.style.zoom = "1";
    const fits = frame.clientWidth / root.scrollWidth;
    if (fits < 1) root.style.zoom = String(Math.max(SMALLEST, fits));
    // A letter that fills its window would never shrink with it: it is measured in a low one.
    frame.style.height = "8rem";
    frame.style.height = `${Math.min(TALLEST, Math.ceil(Math.max(root.getBoundingClientRect().height, root.scrollHeight)) + 2)}px`;
    if (frame.dataset.heard === inside.URL) return;
    frame.dataset.heard = inside.URL;
    inside.addEventListener("keydown", pressed);
    inside.addEventListener("click", (event) => {
        const link = event.target.closest?.("a[href], area[href]");
        if (!link || link.getAttribute("href").startsWith("#")) return;
        event.preventDefault();
        const target = safeLink(link.href);
        if (target) outward(target, "").click();
    });
    for (const image of inside.images) image.addEventListener("load", () => settle(frame), { once: true });
}
