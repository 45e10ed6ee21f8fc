/** Notices: results with an action such as Undo, and errors. */

import { button, h } from "./dom.js";

const DURATION = 8000; // milliseconds; paused under the pointer or the focus

let undo = null;

/** Shows a notice; `action` is `{words, run}`. */
export function notice(words, { action = null, bad = false } = {}) {
    const box = h("div", { class: bad ? "notice bad" : "notice" }, h("span", {}, words));
    const dismiss = () => {
        clearTimeout(timer);
        box.remove();
        if (undo === act) undo = null;
    };
    const act =
        action &&
        (() => {
            dismiss();
            action.run();
        });
    if (act) {
        box.append(button(action.words, act));
        undo = act;
    }
    box.append(button("×", dismiss, { class: "close", "aria-label": "Dismiss" }));
    let timer = setTimeout(dismiss, DURATION);
    box.addEventListener("pointerenter", () => clearTimeout(timer));
    box.addEventListener("focusin", () => clearTimeout(timer));
    box.addEventListener("pointerleave", () => {
        timer = setTimeout(dismiss, DURATION / 2);
    });
    const place = document.getElementById("notices");
    while (place.children.length > 2) place.firstChild.remove();
    place.append(box);
}

export const showError = (error) => notice(error.message ?? String(error), { bad: true });

/** Runs a function and shows its error; resolves to whether it succeeded. */
export async function attempt(work) {
    try {
        await work();
        return true;
    } catch (error) {
        showError(error);
        return false;
    }
}

/** Runs the action of the newest notice. */
export const undoNewest = () => undo?.();
