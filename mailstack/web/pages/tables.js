/** Tables for the pages about the environment: rows that become cards where there is little room. */

import { h } from "./dom.js";
import { number } from "./format.js";

/** A table; `columns` are names ("" for the column of buttons), each row a list of cells. */
export function table(columns, rows, { label = "" } = {}) {
    return h(
        "div",
        { class: "panelled" },
        h(
            "table",
            { class: "table", "aria-label": label || null },
            h(
                "thead",
                {},
                h(
                    "tr",
                    {},
                    columns.map((name) =>
                        h("th", { scope: "col" }, name || h("span", { class: "offstage" }, "Actions")),
                    ),
                ),
            ),
            h(
                "tbody",
                {},
                rows.map((row) => tableRow(columns, row)),
            ),
        ),
    );
}

/** One row of it. */
function tableRow(columns, cells) {
    return h(
        "tr",
        {},
        cells.map((cell, index) =>
            h(
                "td",
                { "data-label": columns[index], class: columns[index] ? null : "acts" },
                columns[index] ? h("div", {}, cell) : h("span", {}, cell),
            ),
        ),
    );
}

/** A page with a title, some words about it, and what can be done there. */
export function pageOf(main, title, about, ...tools) {
    const body = h("div", { class: "page-body" });
    main.append(
        h(
            "div",
            { class: "page" },
            h("header", {}, h("h1", {}, title), h("div", { class: "inline" }, tools), about ? h("p", {}, about) : null),
            body,
        ),
    );
    return body;
}

/** A word about those that a list leaves out, where its first page is not all. */
export const leftOut = (shown, total) =>
    shown < total ? h("p", { class: "quiet" }, `These are the first ${number(shown)} of ${number(total)}.`) : null;

/** What stands where a list is empty. */
export const nothing = (...words) => h("div", { class: "nothing" }, words);
