/** What is attached to a letter: previews of pictures and texts, and everything as a download. */

import { showError } from "./notices.js";
import { part, text } from "./api.js";
import { h, userText } from "./dom.js";
import { openDialog } from "./dialogs.js";
import { count, size } from "./format.js";
import { icon } from "./icons.js";

const PICTURES = new Set(["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp"]);
const TEXTS = /^text\/(?!html)|^application\/(json|xml|yaml|x-yaml)$/;
const MOST_TEXT = 100_000; // characters of a preview

/** Where the octets of a part are. */
export const partAt = (letter, each) => `v1/letters/${part(letter.id)}/parts/${part(each.part)}`;

/** The parts that are attached, and no piece of the text. */
export const attachedTo = (letter) => (letter.parts ?? []).filter((each) => !each.inline);

/** The attachments, or null. */
export function attachmentsOf(letter) {
    const attached = attachedTo(letter);
    if (!attached.length) return null;
    return h(
        "section",
        { class: "attached", "aria-label": "Attachments" },
        h("h2", {}, count(attached.length, "attachment")),
        h(
            "ul",
            {},
            attached.map((each) => card(letter, each)),
        ),
    );
}

function card(letter, each) {
    const name = each.name || `part ${each.part}`;
    const shown = preview(letter, each, name);
    return h(
        "li",
        { class: shown ? "attachment" : "attachment bare" },
        shown ?? icon("attach"),
        h(
            "div",
            { class: "label" },
            userText(name, { class: "name", title: name }),
            h("span", { class: "quiet" }, `${each.type}, ${size(each.size)}`),
            h(
                "a",
                {
                    class: "button bare",
                    href: partAt(letter, each),
                    download: name,
                    "aria-label": `Download ${name}`,
                    title: "Download",
                },
                icon("download"),
            ),
        ),
    );
}

/** What opens it, or null where there is nothing to see. */
function preview(letter, each, name) {
    if (PICTURES.has(each.type)) {
        const open = () =>
            openDialog(name, h("div", { class: "lightbox" }, h("img", { src: partAt(letter, each), alt: name })), {
                wide: true,
            });
        return h(
            "button",
            { type: "button", class: "preview", "aria-label": `Show ${name}`, onclick: open },
            h("img", { src: partAt(letter, each), alt: "", loading: "lazy" }),
        );
    }
    if (TEXTS.test(each.type)) {
        return h(
            "button",
            {
                type: "button",
                class: "preview",
                "aria-label": `Show ${name}`,
                onclick: () => showText(letter, each, name).catch(showError),
            },
            icon("log"),
        );
    }
    return null;
}

async function showText(letter, each, name) {
    const found = await text(partAt(letter, each), MOST_TEXT);
    openDialog(
        name,
        h(
            "div",
            {},
            h("pre", { class: "source", dir: "auto", tabindex: "0" }, found.text),
            found.more ? h("p", { class: "quiet" }, "The rest is in the download.") : null,
        ),
        { wide: true },
    );
}
