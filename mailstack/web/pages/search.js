/** The search box, with its language explained. */

import { h } from "./dom.js";
import { openDialog } from "./dialogs.js";
import { icon } from "./icons.js";

const PAUSE = 180; // milliseconds without a key until the search is made

const LANGUAGE = [
    ['invoice "due today"', "letters with the word and the phrase"],
    ["from:alice@home.test", "who wrote it; also to: cc: bcc: reply-to:"],
    ["addressed:bob@home.test", "any address field, or the envelope"],
    ['subject:"password reset"', "in the subject"],
    ["is:unread", "also is:read is:tagged"],
    ["has:attachment", "also has:inline"],
    ["tag:release", "with this tag"],
    ["after:2026-11-01 before:yesterday", "when it came"],
    ["larger:1M smaller:10M", "how big it is"],
    ["message-id:…", "by its Message-ID"],
    ["-from:cron !is:read", "- or ! means not"],
];

/** The search for a tag. */
export const tagged = (tag) => `tag:"${tag.replaceAll('"', "")}"`;

/** The box; `changed(query)` is called when typing pauses, and at Enter. */
export function searchBox(changed) {
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
            timer = setTimeout(say, PAUSE);
        },
        onkeydown: (event) => {
            if (event.key === "Enter") say();
            if (event.key === "Escape") input.value ? ((input.value = ""), say()) : input.blur();
        },
    });
    const say = () => {
        clearTimeout(timer);
        changed(input.value.trim());
    };
    const write = (query) => {
        input.value = input.value.trim() ? `${input.value.trim()} ${query}` : query;
        say();
        input.focus();
    };
    const element = h(
        "form",
        { class: "search", role: "search", onsubmit: (event) => event.preventDefault() },
        icon("search"),
        input,
        h(
            "button",
            {
                type: "button",
                class: "bare",
                "aria-label": "How to search",
                title: "How to search",
                onclick: () => explain(write),
            },
            icon("help"),
        ),
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
        h(
            "p",
            { class: "quiet" },
            "All that you write must be true of a letter. Addresses match whole. Press one to use it.",
        ),
        h(
            "ul",
            { class: "language" },
            LANGUAGE.map(([query, means]) =>
                h(
                    "li",
                    {},
                    h(
                        "button",
                        {
                            type: "button",
                            class: "bare",
                            onclick: () => {
                                dialog.close();
                                write(query);
                            },
                        },
                        h("code", {}, query),
                    ),
                    h("span", { class: "quiet" }, means),
                ),
            ),
        ),
    ]);
}
