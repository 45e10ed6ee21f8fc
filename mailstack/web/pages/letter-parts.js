/** A letter from inside: its header, its parts, its octets. */

import { get, part, text } from "./api.js";
import { partAt } from "./attachments.js";
import { copyButton } from "./copy.js";
import { fill, h, userText } from "./dom.js";
import { size } from "./format.js";
import { icon } from "./icons.js";
import { loading, trouble } from "./live-view.js";

const MOST_SOURCE = 300_000; // characters that are shown; the download has all

/** Every field of the header, in its order. */
export function showHeaders(panel, letter) {
    fill(
        panel,
        h(
            "table",
            { class: "fieldtable" },
            h(
                "tbody",
                {},
                (letter.headers ?? []).map(([name, value]) =>
                    h("tr", {}, h("th", { scope: "row" }, userText(name)), h("td", { dir: "auto" }, value)),
                ),
            ),
        ),
    );
}

/** The tree of the parts. */
export function showTree(panel, letter) {
    fillLater(panel, async () => {
        const tree = await get(`v1/letters/${part(letter.id)}/tree`);
        return h("ul", { class: "tree" }, branch(letter, tree));
    });
}

function branch(letter, node) {
    const inner = node.parts;
    return h(
        "li",
        {},
        h(
            "div",
            { class: "node" },
            h("code", {}, node.type),
            node.name ? userText(node.name) : null,
            h("span", { class: "quiet" }, facts(node)),
            inner.length || !node.part
                ? null
                : h(
                      "a",
                      {
                          class: "button bare",
                          href: partAt(letter, node),
                          download: node.name || `part-${node.part}`,
                          "aria-label": `Download part ${node.part}`,
                          title: "Download",
                      },
                      icon("download"),
                  ),
        ),
        inner.length
            ? h(
                  "ul",
                  {},
                  inner.map((each) => branch(letter, each)),
              )
            : null,
    );
}

function facts(node) {
    return [
        node.charset,
        node.encoding,
        node.disposition,
        node.content_id && `cid:${node.content_id}`,
        size(node.size),
    ]
        .filter(Boolean)
        .join(" · ");
}

/** The octets, as they came. */
export function showSource(panel, letter) {
    const from = `v1/letters/${part(letter.id)}/source`;
    fillLater(panel, async () => {
        const found = await text(from, MOST_SOURCE);
        return [
            h(
                "div",
                { class: "viewing" },
                found.more ? h("span", { class: "quiet" }, "The beginning of a long letter.") : null,
                copyButton(found.text, "the source", "Copy"),
                h("a", { class: "button", href: from, download: `${letter.id}.eml` }, icon("download"), "Download"),
            ),
            h("pre", { class: "source", tabindex: "0" }, found.text),
        ];
    });
}

/** Fills a panel with what must be fetched first, or with why it could not be. */
function fillLater(panel, work) {
    fill(panel, loading());
    work().then(
        (found) => fill(panel, found),
        (error) => fill(panel, trouble(error)),
    );
}
