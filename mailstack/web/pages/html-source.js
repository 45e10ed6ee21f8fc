/** Tab of a letter: its decoded HTML, highlighted. */

import { copyButton } from "./copy.js";
import { fill, h } from "./dom.js";
import { tokens } from "./html-tokens.js";

const MAX_SHOWN = 300_000; // characters; the copy has all
const MAX_HIGHLIGHTED = 100_000; // characters
const MAX_TOKENS = 20_000; // elements of the document

/** Shows the HTML as text: nothing of it becomes an element. */
export function showHtmlSource(panel, letter) {
    const shown = letter.html.slice(0, MAX_SHOWN);
    fill(
        panel,
        h(
            "div",
            { class: "viewing" },
            shown.length < letter.html.length ? h("span", { class: "quiet" }, "The beginning of a long HTML text.") : null,
            copyButton(letter.html, "the HTML", "Copy"),
        ),
        h("pre", { class: "source html", dir: "ltr", tabindex: "0", "aria-label": "HTML source" }, highlighted(shown)),
    );
}

/** Nodes of the beginning in colors, and of the rest as one text. */
function highlighted(html) {
    const nodes = [];
    let at = 0;
    for (const [kind, text] of tokens(html.slice(0, MAX_HIGHLIGHTED))) {
        if (nodes.length >= MAX_TOKENS) break;
        nodes.push(kind === "text" ? text : h("span", { class: `html-${kind}` }, text));
        at += text.length;
    }
    return [...nodes, html.slice(at)];
}
