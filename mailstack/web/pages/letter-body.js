/** Tabs of a letter: HTML in a sandboxed frame, and plain text. */

import { at, get, segment } from "./api.js";
import { button, fill, h } from "./dom.js";
import { linkify, externalLink, safeLink } from "./format.js";
import { icon } from "./icons.js";
import { handleKey } from "./keyboard.js";
import { loading } from "./live-view.js";
import { showError } from "./notices.js";

const WIDTHS = { phone: "As on a phone", tablet: "As on a tablet", full: "As wide as there is room" };
const ICONS = { phone: "phone", tablet: "tablet", full: "screen" };
const REMOTE = /(?:src|srcset|background|href|poster)\s*=\s*["']?\s*(?:https?:)?\/\/|url\(\s*["']?\s*(?:https?:)?\/\//i;
/** Remote content, as a hint for the button. The server decides what is loaded. */
const CHUNK = 16_384; // characters of a long text in one element
const MIN_ZOOM = 0.5; // of a wide letter in a narrow frame
const MAX_HEIGHT = 20_000; // pixels of the frame; a longer letter scrolls

/** Shows the HTML in a sandboxed frame: no scripts, no forms; links open in new windows. */
export function showHtml(panel, letter) {
    let width = sessionStorage.getItem("width") ?? "full";
    const frame = h("iframe", {
        title: "The letter",
        sandbox: "allow-same-origin allow-popups allow-popups-to-escape-sandbox",
        referrerpolicy: "no-referrer",
        src: source(letter, false),
        onload: () => fitFrame(frame),
    });
    const stage = h("div", { class: "stage", "data-width": width }, frame);
    const widths = h("div", { class: "widths", role: "group", "aria-label": "Width" });
    const draw = () =>
        fill(
            widths,
            Object.entries(WIDTHS).map(([name, words]) =>
                button(icon(ICONS[name]), () => choose(name), {
                    title: words,
                    "aria-label": words,
                    "aria-pressed": String(width === name),
                }),
            ),
        );
    const choose = (name) => {
        width = name;
        sessionStorage.setItem("width", name);
        stage.dataset.width = name;
        draw();
        fitFrame(frame);
    };
    draw();
    fill(panel, h("div", { class: "viewing" }, REMOTE.test(letter.html) ? remote(letter, frame) : null, widths), stage);
    const watcher = new ResizeObserver(() => fitFrame(frame));
    watcher.observe(stage);
    return () => watcher.disconnect();
}

/** Shows the plain text; of a long one the beginning, with a button for the rest. */
export function showText(panel, letter) {
    const plain = h("div", { class: "plain" });
    let ended = false;
    const pre = (text) => h("pre", { dir: "auto" }, linkify(text));
    const rest = h("p", { class: "viewing" });
    const showAll = async () => {
        fill(rest, loading());
        const whole = await get(`v1/letters/${segment(letter.id)}`);
        if (ended) return;
        fill(plain);
        // In chunks, so that the page stays responsive.
        for (const chunk of chunks(whole.text)) {
            plain.append(pre(chunk));
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

/** Splits a text into chunks, at line ends if possible. */
function* chunks(text) {
    for (let at = 0; at < text.length;) {
        const end = text.lastIndexOf("\n", at + CHUNK) + 1;
        const stop = at + CHUNK >= text.length ? text.length : end > at ? end : at + CHUNK;
        yield text.slice(at, stop);
        at = stop;
    }
}

function source(letter, withRemote) {
    return at(`v1/letters/${segment(letter.id)}/html`, { remote: withRemote ? 1 : 0 });
}

function remote(letter, frame) {
    const line = h("span", { class: "remote" });
    const off = () =>
        fill(
            line,
            icon("shield"),
            h("span", {}, "Nothing is loaded from elsewhere."),
            button(
                "Load remote content",
                () => {
                    frame.src = source(letter, true);
                    on();
                },
                { class: "link" },
            ),
        );
    const on = () =>
        fill(
            line,
            icon("warn"),
            h("span", {}, "Remote content is loaded."),
            button(
                "Stop",
                () => {
                    frame.src = source(letter, false);
                    off();
                },
                { class: "link" },
            ),
        );
    off();
    return line;
}

/** Fits the height of the frame to the letter, and handles its keys and links. */
function fitFrame(frame) {
    const inside = frame.contentDocument;
    if (!inside?.documentElement) return;
    const root = inside.documentElement;
    root.style.zoom = "1";
    const fits = frame.clientWidth / root.scrollWidth;
    if (fits < 1) root.style.zoom = String(Math.max(MIN_ZOOM, fits));
    // Measured in a low frame: a letter with 100% height would never shrink.
    frame.style.height = "8rem";
    frame.style.height = `${Math.min(MAX_HEIGHT, Math.ceil(Math.max(root.getBoundingClientRect().height, root.scrollHeight)) + 2)}px`;
    if (frame.dataset.handled === inside.URL) return;
    frame.dataset.handled = inside.URL;
    inside.addEventListener("keydown", handleKey);
    inside.addEventListener("click", (event) => {
        const link = event.target.closest?.("a[href], area[href]");
        if (!link || link.getAttribute("href").startsWith("#")) return;
        event.preventDefault();
        const target = safeLink(link.href);
        if (target) externalLink(target, "").click();
    });
    for (const image of inside.images) image.addEventListener("load", () => fitFrame(frame), { once: true });
}
