/** Keyboard handler: runs the shortcut of a key or of two keys in sequence. */

import { shortcuts } from "./help.js";

const SEQUENCE_TIMEOUT = 1200; // milliseconds between the keys of "g i"

let prefix = "";
let deadline = 0;

export const startKeyboard = () => document.addEventListener("keydown", handleKey);

/** Handles a keydown event, of the page or of the frame of a letter. */
export function handleKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
    if (inField(event.target) || document.querySelector("dialog[open]")) return;
    const available = shortcuts();
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
