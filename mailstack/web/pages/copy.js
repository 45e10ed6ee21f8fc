/** Buttons that put a text into the clipboard. */

import { h } from "./dom.js";
import { icon } from "./icons.js";

const SAID = 1500; // milliseconds that the button says so

/** A button that copies a text; `what` names it for those who don't see the neighbourhood. */
export function copyButton(text, what, words = null) {
    const label = words ? h("span", {}, words) : null;
    const made = h(
        "button",
        { type: "button", class: words ? "copy" : "copy bare", "aria-label": `Copy ${what}`, title: `Copy ${what}` },
        icon("copy"),
        label,
    );
    made.addEventListener("click", async () => {
        const done = await copied(text);
        made.classList.add(done ? "done" : "failed");
        made.replaceChildren(icon(done ? "check" : "warn"), ...(label ? [label] : []));
        setTimeout(() => {
            made.classList.remove("done", "failed");
            made.replaceChildren(icon("copy"), ...(label ? [label] : []));
        }, SAID);
    });
    return made;
}

/** A value in the type of programs, and its button. */
export function copyable(text, what) {
    return h("span", { class: "copyable" }, h("code", { dir: "auto" }, text), copyButton(text, what));
}

async function copied(text) {
    try {
        await navigator.clipboard.writeText(text);
        return true;
    } catch {
        return copiedByHand(text); // a page that is not from this machine, and not by https, has no clipboard
    }
}

function copiedByHand(text) {
    const area = h("textarea", { class: "offstage", "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
}
