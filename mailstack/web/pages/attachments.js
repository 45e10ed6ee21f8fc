/** Attachments of a letter: previews and downloads. */

import { showError } from "./notices.js";
import { segment, text } from "./api.js";
import { button, h, userText } from "./dom.js";
import { openDialog } from "./dialogs.js";
import { count, size } from "./format.js";
import { icon } from "./icons.js";

const PICTURES = new Set(["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp"]);
const TEXTS = /^text\/(?!html)|^application\/(json|xml|yaml|x-yaml)$/;
const MAX_TEXT = 100_000; // characters of a preview

/** URL of the content of a part. */
export const partUrl = (letter, each) => `v1/letters/${segment(letter.id)}/parts/${segment(each.part)}`;

/** Parts that are not inline. */
export const attachedParts = (letter) => (letter.parts ?? []).filter((each) => !each.inline);

/** Section with the attachments, or null. */
export function attachmentsOf(letter) {
    const attached = attachedParts(letter);
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
                    href: partUrl(letter, each),
                    download: name,
                    "aria-label": `Download ${name}`,
                    title: "Download",
                },
                icon("download"),
            ),
        ),
    );
}

/** Preview button of a picture or text, else null. */
function preview(letter, each, name) {
    if (PICTURES.has(each.type)) {
        const open = () =>
            openDialog(name, h("div", { class: "lightbox" }, h("img", { src: partUrl(letter, each), alt: name })), {
                wide: true,
            });
        return button(h("img", { src: partUrl(letter, each), alt: "", loading: "lazy" }), open, {
            class: "preview",
            "aria-label": `Show ${name}`,
        });
    }
    if (TEXTS.test(each.type)) {
        return button(icon("log"), () => showText(letter, each, name).catch(showError), {
            class: "preview",
            "aria-label": `Show ${name}`,
        });
    }
    return null;
}

async function showText(letter, each, name) {
    const found = await text(partUrl(letter, each), MAX_TEXT);
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
