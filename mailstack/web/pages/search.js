/** Search box, with help for its syntax. */

import { button, h } from "./dom.js";
import { openDialog } from "./dialogs.js";
import { icon } from "./icons.js";

const DELAY = 180; // milliseconds from the last key to the search

const SYNTAX = [
    ['invoice "due today"', "letters with the word and the phrase"],
    ["from:alice@home.test", "author; also to: cc: bcc: reply-to:"],
    ["addressed:bob@home.test", "any address field, or the envelope"],
    ['subject:"password reset"', "in the subject"],
    ["is:unread", "also is:read is:flagged is:tagged"],
    ["is:bounced", "also is:queued is:held is:delivered is:relayed is:collected"],
    ["has:attachment", "also has:inline"],
    ["tag:release", "with this tag"],
    ["in:Trash", "in this IMAP folder, such as in:INBOX in:Archive"],
    ["after:2026-11-01 before:2h", "date of arrival, or time since then"],
    ["larger:1M smaller:10M", "size"],
    ["message-id:…", "by its Message-ID"],
    ["-from:cron !is:read", "- or ! means not"],
];

/** Query for a tag. */
export const tagQuery = (tag) => `tag:"${tag.replaceAll('"', "")}"`;

/** Search box; `onQuery(query)` is called after a pause in typing, and at Enter. */
export function searchBox(onQuery) {
    let timer = null;
    const input = h("input", {
        type: "search",
        id: "search",
        placeholder: "Search",
        "aria-label": "Search letters",
        autocomplete: "off",
        spellcheck: "false",
        dir: "auto",
        maxlength: "500",
        oninput: () => {
            clearTimeout(timer);
            timer = setTimeout(submit, DELAY);
        },
        onkeydown: (event) => {
            if (event.key === "Enter") submit();
            if (event.key === "Escape") input.value ? ((input.value = ""), submit()) : input.blur();
        },
    });
    const submit = () => {
        clearTimeout(timer);
        onQuery(input.value.trim());
    };
    const write = (query) => {
        input.value = input.value.trim() ? `${input.value.trim()} ${query}` : query;
        submit();
        input.focus();
    };
    const element = h(
        "form",
        { class: "search", role: "search", onsubmit: (event) => event.preventDefault() },
        icon("search"),
        input,
        button(icon("help"), () => explain(write), {
            class: "bare",
            "aria-label": "How to search",
            title: "How to search",
        }),
    );
    return {
        element,
        input,
        set: (query) => {
            if (document.activeElement !== input) input.value = query;
        },
    };
}

function explain(write) {
    const dialog = openDialog("How to search", [
        h("p", { class: "quiet" }, "A letter must match all terms. Addresses match whole. Press an example to use it."),
        h(
            "ul",
            { class: "language" },
            SYNTAX.map(([query, means]) =>
                h(
                    "li",
                    {},
                    button(
                        h("code", {}, query),
                        () => {
                            dialog.close();
                            write(query);
                        },
                        { class: "bare" },
                    ),
                    h("span", { class: "quiet" }, means),
                ),
            ),
        ),
    ]);
}
