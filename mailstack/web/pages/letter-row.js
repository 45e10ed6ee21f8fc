/** Rows of the list of letters. */

import { h, userText } from "./dom.js";
import { nameOf, size, stateSign, time } from "./format.js";
import { icon } from "./icons.js";
import { hashOf } from "./routes.js";

const MAX_TAGS = 2;
const SHOWN_STATES = new Set(["queued", "deferred", "held", "bounced", "failed", "removed", "mixed"]);
/** States that a row shows; delivery is the normal case. */

/** Row of a letter; `place` is the mailbox and query of the list, for its link. */
export function letterRow(letter, { selected, current, place, onselect }) {
    const link = h(
        "a",
        { class: "line", href: hashOf(["letter", letter.id], place), "aria-current": current ? "true" : null },
        h(
            "span",
            { class: "who" },
            letter.unread ? h("span", { class: "dot" }, h("span", { class: "offstage" }, "Unread ")) : null,
            userText(nameOf(letter.from) || letter.sender || "<>", { class: "from" }),
            h("span", { class: "to" }, " to ", userText(recipients(letter))),
        ),
        h(
            "span",
            { class: "what" },
            userText(letter.subject || "(no subject)", { class: "subject" }),
            " ",
            h("span", { class: "snippet", dir: "auto" }, letter.snippet),
        ),
        h("span", { class: "marks" }, marks(letter)),
        h("span", { class: "size" }, size(letter.size)),
        time(letter.arrived),
    );
    const box = h("input", {
        type: "checkbox",
        class: "select",
        checked: selected,
        tabindex: "-1",
        onclick: onselect,
        "aria-label": `Select ${letter.subject || "letter without subject"}`,
    });
    return h(
        "li",
        { class: rowClass(letter, selected, current), "data-id": letter.id },
        h("label", { class: "pick" }, box),
        link,
    );
}

/** Row of a letter that is not loaded. */
export const unknownRow = () =>
    h("li", { class: "row unknown", "aria-busy": "true" }, h("span", { class: "offstage" }, "Loading"));

/** First recipient, and the number of others. */
function recipients(letter) {
    const all = letter.recipients ?? [];
    const first = all[0]?.address ?? nameOf(letter.to?.[0]) ?? "";
    return all.length > 1 ? `${first} and ${all.length - 1} more` : first || "(no recipient)";
}

function rowClass(letter, selected, current) {
    return ["row", letter.unread && "unread", selected && "selected", current && "current"].filter(Boolean).join(" ");
}

function marks(letter) {
    const tags = letter.tags ?? [];
    return [
        letter.flagged
            ? h("span", { class: "clip", title: "Flagged" }, icon("flag"), h("span", { class: "offstage" }, "Flagged"))
            : null,
        tags.slice(0, MAX_TAGS).map((tag) => h("span", { class: "tag", dir: "auto" }, tag)),
        tags.length > MAX_TAGS ? h("span", { class: "tag" }, `+${tags.length - MAX_TAGS}`) : null,
        SHOWN_STATES.has(letter.state) || typeof letter.state === "object" ? stateSign(letter.state) : null,
        letter.attachments
            ? h(
                  "span",
                  { class: "clip", title: `${letter.attachments} attached` },
                  icon("attach"),
                  h("span", { class: "offstage" }, `${letter.attachments} attached`),
              )
            : null,
    ];
}
