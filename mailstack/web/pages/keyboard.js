/** The keyboard: single keys and short sequences, for the whole window and for the page that is shown. */

import { h } from "./dom.js";
import { openDialog } from "./dialogs.js";
import { undoNewest } from "./notices.js";
import { go } from "./routes.js";

const SEQUENCE = 1200; // milliseconds between the two keys of "g i"

const EVERYWHERE = {
    "g i": ["Go to the inbox", () => go(["letters"])],
    "g q": ["Go to the queue", () => go(["queue"])],
    "g l": ["Go to the protocol log", () => go(["protocol"])],
    "g o": ["Go to the post offices", () => go(["offices"])],
    "g a": ["Go to the accounts", () => go(["accounts"])],
    "g z": ["Go to the DNS zone", () => go(["zone"])],
    "g f": ["Go to the faults", () => go(["faults"])],
    "g t": ["Go to the clock", () => go(["clock"])],
    "g s": ["Go to client set-up", () => go(["setup"])],
    c: ["Write a letter", async () => (await import("./navigation.js")).compose()],
    z: ["Undo", () => undoNewest()],
    "?": ["Show this help", () => showHelp()],
};

let ofPage = {};
let begun = "";
let until = 0;

/** The keys of the page that is shown: `{key: [what it does, function]}`. Returns what takes them away again. */
export function pageKeys(keys) {
    ofPage = keys;
    return () => {
        if (ofPage === keys) ofPage = {};
    };
}

/** Begins to listen. */
export const startKeyboard = () => document.addEventListener("keydown", pressed);

/** What a key does; also for keys that a letter's frame passes on. */
export function pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
    if (inField(event.target) || document.querySelector("dialog[open]")) return;
    const known = { ...EVERYWHERE, ...ofPage };
    const sequence = begun && performance.now() < until ? `${begun} ${event.key}` : "";
    begun = "";
    const found = known[sequence] ?? known[event.key];
    if (found) {
        if (event.key === "Enter" && event.target.closest?.("a, button, summary, input")) return;
        event.preventDefault();
        found[1](event);
    } else if (Object.keys(known).some((each) => each.startsWith(`${event.key} `))) {
        begun = event.key;
        until = performance.now() + SEQUENCE;
    }
}

/** Opens the list of all keys. */
export function showHelp() {
    openDialog("Keyboard", h("div", { class: "keys" }, table("Here", ofPage), table("Everywhere", EVERYWHERE)));
}

function table(title, keys) {
    const byWords = new Map();
    for (const [key, [what]] of Object.entries(keys)) byWords.set(what, [...(byWords.get(what) ?? []), key]);
    if (!byWords.size) return null;
    return h(
        "section",
        {},
        h("h3", {}, title),
        h(
            "dl",
            {},
            [...byWords].map(([what, some]) =>
                h(
                    "div",
                    {},
                    h(
                        "dt",
                        {},
                        some.map((key, at) => [at ? " or " : null, key.split(" ").map((each) => h("kbd", {}, each))]),
                    ),
                    h("dd", {}, what),
                ),
            ),
        ),
    );
}

function inField(element) {
    return (
        element instanceof Element &&
        element.matches("textarea, select, input:not([type=checkbox], [type=radio]), [contenteditable]")
    );
}
