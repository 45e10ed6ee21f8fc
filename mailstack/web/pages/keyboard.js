/** Keyboard handler: runs the shortcut of a key or of a short sequence of keys. */

import { shortcuts } from "./help.js";

const SEQUENCE = 1200; // milliseconds between the two keys of "g i"

let begun = "";
let until = 0;

/** Begins to listen. */
export const startKeyboard = () => document.addEventListener("keydown", pressed);

/** What a key does; also for keys that a letter's frame passes on. */
export function pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
    if (inField(event.target) || document.querySelector("dialog[open]")) return;
    const known = shortcuts();
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

function inField(element) {
    return (
        element instanceof Element &&
        element.matches("textarea, select, input:not([type=checkbox], [type=radio]), [contenteditable]")
    );
}
