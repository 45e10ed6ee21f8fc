/** Tabs of a letter: header, tree of parts, source. */

import { get, segment, text } from "./api.js";
import { partUrl } from "./attachments.js";
import { copyButton } from "./copy.js";
import { fill, h, userText } from "./dom.js";
import { size } from "./format.js";
import { icon } from "./icons.js";
import { loading, errorLine } from "./live-view.js";

const MAX_SOURCE = 300_000; // characters; the download has all

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

export function showTree(panel, letter) {
    fillLater(panel, async () => {
        const tree = await get(`v1/letters/${segment(letter.id)}/tree`);
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
                          href: partUrl(letter, node),
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
    return [node.charset, node.encoding, node.disposition, node.content_id && `cid:${node.content_id}`, size(node.size)]
        .filter(Boolean)
        .join(" · ");
}

export function showSource(panel, letter) {
    const from = `v1/letters/${segment(letter.id)}/source`;
    fillLater(panel, async () => {
        const found = await text(from, MAX_SOURCE);
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

/** Fills a panel with fetched content, or with the error. */
function fillLater(panel, fetch) {
    fill(panel, loading());
    fetch().then(
        (found) => fill(panel, found),
        (error) => fill(panel, errorLine(error)),
    );
}
