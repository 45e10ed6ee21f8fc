/** Windows over the page: questions, forms, help. */

import { button, h } from "./dom.js";
import { icon } from "./icons.js";

let fields = 0; // so far; each has an id

/** Opens a window with a title; closes by Escape, its cross, or `close()` of what it returns. */
export function openDialog(title, content, { wide = false } = {}) {
    const heading = h("h2", {}, title);
    const dialog = h(
        "dialog",
        { class: wide ? "wide" : null, "aria-label": title },
        h(
            "header",
            {},
            heading,
            h(
                "button",
                { type: "button", class: "bare", "aria-label": "Close", onclick: () => dialog.close() },
                icon("close"),
            ),
        ),
        content,
    );
    const back = document.activeElement;
    dialog.addEventListener("close", () => {
        dialog.remove();
        if (back instanceof HTMLElement && back.isConnected) back.focus();
    });
    dialog.addEventListener("mousedown", (event) => {
        if (event.target === dialog) dialog.close();
    });
    document.body.append(dialog);
    dialog.showModal();
    return dialog;
}

/** Asks before something is done that can't be taken back. Resolves to true or false. */
export function confirmed(question, words, { explanation = "", bad = true } = {}) {
    return new Promise((resolve) => {
        let answer = false;
        const yes = button(
            words,
            () => {
                answer = true;
                dialog.close();
            },
            { class: bad ? "bad" : "primary", autofocus: true },
        );
        const dialog = openDialog(question, [
            explanation && h("p", {}, explanation),
            h(
                "footer",
                {},
                button("Cancel", () => dialog.close()),
                yes,
            ),
        ]);
        dialog.addEventListener("close", () => resolve(answer));
    });
}

/**
 * A form in a window. `fields` are elements of `field()`; `send` gets their values by name and may refuse by throwing,
 * which leaves the window open with the reason.
 */
export function formDialog(title, fields, words, send, options = {}) {
    const trouble = h("p", { class: "trouble", role: "alert" });
    const go = h("button", { class: "primary" }, words);
    const form = h(
        "form",
        { class: "fields", method: "dialog" },
        fields,
        trouble,
        h(
            "footer",
            {},
            button("Cancel", () => dialog.close()),
            go,
        ),
    );
    const dialog = openDialog(title, form, options);
    form.addEventListener("submit", async (event) => {
        event.preventDefault();
        go.disabled = true;
        trouble.textContent = "";
        try {
            await send(Object.fromEntries(new FormData(form)), form);
            dialog.close();
        } catch (error) {
            trouble.textContent = error.message;
        } finally {
            go.disabled = false;
        }
    });
    (form.querySelector("[autofocus]") ?? form.querySelector("input, textarea, select"))?.focus();
    return dialog;
}

/** A labelled input; `hint` explains it below. `properties.tag` may be `select` or `textarea`. */
export function field(label, name, properties = {}, ...children) {
    const { tag = "input", hint = "", ...rest } = properties;
    const id = `field-${(fields += 1)}`;
    const control = h(tag, { id, name, "aria-describedby": hint ? `${id}-hint` : null, ...rest }, ...children);
    return h(
        "div",
        { class: "field" },
        h("label", { class: "name", for: id }, label),
        control,
        hint && h("span", { class: "hint", id: `${id}-hint` }, hint),
    );
}

/** The options of a select. */
export const options = (pairs, chosen) =>
    pairs.map(([value, words]) => h("option", { value, selected: value === chosen }, words));
