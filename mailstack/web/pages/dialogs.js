/** Dialogs: questions, forms, help. */

import { button, h } from "./dom.js";
import { icon } from "./icons.js";
import { closeOnBack } from "./routes.js";

let fieldCount = 0; // for the ids

/** Opens a modal dialog, and returns its element. The browser's Back button closes it. */
export function openDialog(title, content, { wide = false } = {}) {
    const heading = h("h2", {}, title);
    const dialog = h(
        "dialog",
        { class: wide ? "wide" : null, "aria-label": title },
        h(
            "header",
            {},
            heading,
            button(icon("close"), () => dialog.close(), { class: "bare", "aria-label": "Close" }),
        ),
        content,
    );
    const back = document.activeElement;
    const closed = closeOnBack(() => dialog.close());
    dialog.addEventListener("close", () => {
        closed();
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

/** Asks for confirmation. Resolves to true or false. `final`: the focus is on Cancel at first. */
export function confirmDialog(question, words, { explanation = "", bad = true, final = false } = {}) {
    return new Promise((resolve) => {
        let answer = false;
        const yes = button(
            words,
            () => {
                answer = true;
                dialog.close();
            },
            { class: bad ? "bad" : "primary", autofocus: !final },
        );
        const dialog = openDialog(question, [
            explanation && h("p", {}, explanation),
            h(
                "footer",
                {},
                button("Cancel", () => dialog.close(), { autofocus: final }),
                yes,
            ),
        ]);
        dialog.addEventListener("close", () => resolve(answer));
    });
}

/**
 * Opens a dialog with a form. `fields` are elements of `field()`. `submit` gets their values by name; its error is shown, and
 * the dialog stays open.
 */
export function formDialog(title, fields, words, submit, options = {}) {
    const problem = h("p", { class: "trouble", role: "alert" });
    const submitButton = h("button", { class: "primary" }, words);
    const form = h(
        "form",
        { class: "fields", method: "dialog" },
        fields,
        problem,
        h(
            "footer",
            {},
            button("Cancel", () => dialog.close()),
            submitButton,
        ),
    );
    const dialog = openDialog(title, form, options);
    form.addEventListener("submit", async (event) => {
        event.preventDefault();
        submitButton.disabled = true;
        problem.textContent = "";
        try {
            await submit(Object.fromEntries(new FormData(form)), form);
            dialog.close();
        } catch (error) {
            problem.textContent = error.message;
        } finally {
            submitButton.disabled = false;
        }
    });
    (form.querySelector("[autofocus]") ?? form.querySelector("input, textarea, select"))?.focus();
    return dialog;
}

/** Input with a label and an optional hint. `properties.tag` may be `select` or `textarea`. */
export function field(label, name, properties = {}, ...children) {
    const { tag = "input", hint = "", ...rest } = properties;
    const id = `field-${(fieldCount += 1)}`;
    const control = h(tag, { id, name, "aria-describedby": hint ? `${id}-hint` : null, ...rest }, ...children);
    return h(
        "div",
        { class: "field" },
        h("label", { class: "name", for: id }, label),
        control,
        hint && h("span", { class: "hint", id: `${id}-hint` }, hint),
    );
}

/** Options of a select. */
export const options = (pairs, chosen) =>
    pairs.map(([value, words]) => h("option", { value, selected: value === chosen }, words));
