/** Short notices at the edge of the window: what was done, with a way back, and what went wrong. */

import { button, h } from "./dom.js";

const STAY = 8000; // milliseconds; a notice under the pointer or the focus stays

let undoing = null;

/** Says something, and offers one thing to do about it: `{words, run}`. */
export function notice(words, { action = null, bad = false } = {}) {
    const box = h("div", { class: bad ? "notice bad" : "notice" }, h("span", {}, words));
    const gone = () => {
        clearTimeout(timer);
        box.remove();
        if (undoing === act) undoing = null;
    };
    const act =
        action &&
        (() => {
            gone();
            action.run();
        });
    if (act) {
        box.append(button(action.words, act));
        undoing = act;
    }
    box.append(button("×", gone, { class: "close", "aria-label": "Dismiss" }));
    let timer = setTimeout(gone, STAY);
    box.addEventListener("pointerenter", () => clearTimeout(timer));
    box.addEventListener("focusin", () => clearTimeout(timer));
    box.addEventListener("pointerleave", () => {
        timer = setTimeout(gone, STAY / 2);
    });
    const place = document.getElementById("notices");
    while (place.children.length > 2) place.firstChild.remove();
    place.append(box);
}

/** Says what went wrong. */
export const showError = (error) => notice(error.message ?? String(error), { bad: true });

/** Does something, and says so when it fails; gives back whether it went well. */
export async function tried(work) {
    try {
        await work();
        return true;
    } catch (error) {
        showError(error);
        return false;
    }
}

/** The newest notice's way back, by the keyboard. */
export const undoNewest = () => undoing?.();
