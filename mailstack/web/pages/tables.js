/** Tables, which become cards on narrow screens, and the frame of a page. */

import { h } from "./dom.js";
import { number } from "./format.js";

/** Table; "" is the name of the column of buttons. */
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

/** Adds a page with title, description and buttons to `main`; returns the element of its content. */
export function pageBody(main, title, about, ...tools) {
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

/** Note that a list is truncated, or null. */
export const leftOut = (shown, total) =>
    shown < total ? h("p", { class: "quiet" }, `These are the first ${number(shown)} of ${number(total)}.`) : null;

/** Content of an empty list. */
export const nothing = (...words) => h("div", { class: "nothing" }, words);
