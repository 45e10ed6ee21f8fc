/** Copy buttons. */

import { h } from "./dom.js";
import { icon } from "./icons.js";

const FEEDBACK = 1500; // milliseconds

/** Button that copies a text; `what` is the object of its label "Copy …". */
export function copyButton(text, what, words = null) {
    const label = words ? h("span", {}, words) : null;
    const element = h(
        "button",
        { type: "button", class: words ? "copy" : "copy bare", "aria-label": `Copy ${what}`, title: `Copy ${what}` },
        icon("copy"),
        label,
    );
    element.addEventListener("click", async () => {
        const done = await copyText(text);
        element.classList.add(done ? "done" : "failed");
        element.replaceChildren(icon(done ? "check" : "warn"), ...(label ? [label] : []));
        setTimeout(() => {
            element.classList.remove("done", "failed");
            element.replaceChildren(icon("copy"), ...(label ? [label] : []));
        }, FEEDBACK);
    });
    return element;
}

/** Value in monospace with a copy button. */
export function copyable(text, what) {
    return h("span", { class: "copyable" }, h("code", { dir: "auto" }, text), copyButton(text, what));
}

async function copyText(text) {
    try {
        await navigator.clipboard.writeText(text);
        return true;
    } catch {
        return copyBySelection(text); // no clipboard API without https, except on loopback
    }
}

function copyBySelection(text) {
    const area = h("textarea", { class: "offstage", "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
}
