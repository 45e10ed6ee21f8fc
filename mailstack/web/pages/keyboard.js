/** Keyboard shortcuts: their handler, and the dialog that lists them. */

import { h } from "./dom.js";
import { openDialog } from "./dialogs.js";
import { showError, undoNewest } from "./notices.js";
import { go } from "./routes.js";

const SEQUENCE_TIMEOUT = 1200; // milliseconds between the keys of "g i"

const GLOBAL_SHORTCUTS = {
    "g i": ["Go to the inbox", () => go(["letters"])],
    "g q": ["Go to the queue", () => go(["queue"])],
    "g l": ["Go to the protocol log", () => go(["protocol"])],
    "g m": ["Go to the mail servers", () => go(["servers"])],
    "g a": ["Go to the accounts", () => go(["accounts"])],
    "g z": ["Go to the DNS zone", () => go(["zone"])],
    "g f": ["Go to the faults", () => go(["faults"])],
    "g t": ["Go to the clock", () => go(["clock"])],
    "g s": ["Go to client set-up", () => go(["setup"])],
    c: ["Write a letter", () => compose()],
    z: ["Undo", () => undoNewest()],
    "?": ["Show this help", () => showHelp()],
};

let pageShortcuts = {};
let prefix = "";
let deadline = 0;

/** Sets the shortcuts of the current page: `{key: [description, function]}`. Returns a function that removes them. */
export function pageKeys(keys) {
    pageShortcuts = keys;
    return () => {
        if (pageShortcuts === keys) pageShortcuts = {};
    };
}

export const startKeyboard = () => document.addEventListener("keydown", handleKey);

/** Handles a keydown event, of the page or of the frame of a letter. */
export function handleKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
    if (inField(event.target) || document.querySelector("dialog[open]")) return;
    const available = { ...GLOBAL_SHORTCUTS, ...pageShortcuts };
    const sequence = prefix && performance.now() < deadline ? `${prefix} ${event.key}` : "";
    prefix = "";
    const found = available[sequence] ?? available[event.key];
    if (found) {
        if (event.key === "Enter" && event.target.closest?.("a, button, summary, input")) return;
        event.preventDefault();
        found[1](event);
    } else if (Object.keys(available).some((each) => each.startsWith(`${event.key} `))) {
        prefix = event.key;
        deadline = performance.now() + SEQUENCE_TIMEOUT;
    }
}

function inField(element) {
    return (
        element instanceof Element &&
        element.matches("textarea, select, input:not([type=checkbox], [type=radio]), [contenteditable]")
    );
}

/** Opens the form for a new letter. */
export async function compose() {
    const { openComposer } = await import("./composer.js");
    openComposer({}).catch(showError);
}

/** Opens the list of all shortcuts. */
export function showHelp() {
    openDialog(
        "Keyboard",
        h("div", { class: "keys" }, table("Here", pageShortcuts), table("Everywhere", GLOBAL_SHORTCUTS)),
    );
}

function table(title, keys) {
    const byDescription = new Map();
    for (const [key, [description]] of Object.entries(keys))
        byDescription.set(description, [...(byDescription.get(description) ?? []), key]);
    if (!byDescription.size) return null;
    return h(
        "section",
        {},
        h("h3", {}, title),
        h(
            "dl",
            {},
            [...byDescription].map(([description, sameKeys]) =>
                h(
                    "div",
                    {},
                    h(
                        "dt",
                        {},
                        sameKeys.map((key, at) => [
                            at ? " or " : null,
                            key.split(" ").map((each) => h("kbd", {}, each)),
                        ]),
                    ),
                    h("dd", {}, description),
                ),
            ),
        ),
    );
}
