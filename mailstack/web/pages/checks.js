/** The checks of a letter: how its HTML fares, whether its links live, and what a receiving host would think of it. */

import { get, part } from "./api.js";
import { button, fill, h, own } from "./dom.js";
import { outward, safeLink } from "./format.js";

/** Each check: its name, what it looks at, and whether it is made at once or only when asked for. */
const CHECKS = {
    authentication: ["Authentication", "SPF, DKIM, DMARC and ARC, as the receiving office found them.", true],
    unsubscribe: ["Unsubscribing", "List-Unsubscribe, as large mailbox providers want it (RFC 8058).", true],
    html: ["HTML", "What mail clients make of its HTML and CSS.", true],
    links: ["Links", "Whether its links and pictures answer. This asks the hosts that they lead to.", false],
    spam: ["Spam", "What rspamd or SpamAssassin says, where there is one.", false],
};
const TONES = {
    good: /^(pass|ok|yes|true|supported|2\d\d|valid|good)$/i,
    wait: /^(partial|neutral|softfail|none|temperror|warning|3\d\d|unknown|skipped)$/i,
    bad: /^(fail|no|false|unsupported|4\d\d|5\d\d|permerror|invalid|bad|error|dead)$/i,
};
const JUDGED = new Set(["result", "status", "support", "supported", "ok", "pass", "verdict", "code", "one_click"]);
const MOST = 200; // findings that are shown at once

export function showChecks(panel, letter) {
    let over = false;
    fill(panel, h("div", { class: "checks" }, Object.entries(CHECKS).map(([name, [title, about, atOnce]]) => {
        const body = h("div", {});
        const run = async () => {
            fill(body, h("p", { class: "quiet", role: "status" }, "Looking"));
            try {
                const found = await get(`v1/letters/${part(letter.id)}/checks/${name}`);
                if (!over) fill(body, told(found));
            } catch (error) {
                if (!over) fill(body, h("p", { class: "quiet" }, error.message));
            }
        };
        if (atOnce) run();
        else fill(body, button("Check", run));
        return h("section", { class: "check", "aria-label": title }, h("header", {}, h("h2", {}, title), h("span", { class: "quiet" }, about)), body);
    })));
    return () => { over = true; };
}

/** A check's answer: what is said of the whole first, then each finding. */
function told(found) {
    if (found === null || (Array.isArray(found) && !found.length)) return h("p", { class: "quiet" }, "Nothing to say.");
    if (Array.isArray(found)) return list(found);
    const entries = Object.entries(found).filter(([, value]) => value !== null && value !== "");
    const plain = entries.filter(([, value]) => typeof value !== "object");
    const nested = entries.filter(([, value]) => typeof value === "object" && Object.keys(value).length);
    return [
        plain.length ? h("dl", { class: "pairs" }, plain.map(([name, value]) => [h("dt", {}, words(name)), h("dd", {}, worth(name, value))])) : null,
        nested.map(([name, value]) => h("section", {}, h("h3", {}, words(name)), told(value))),
        entries.length ? null : h("p", { class: "quiet" }, "Nothing to say."),
    ];
}

function list(found) {
    return [
        h("ul", { class: "findings" }, found.slice(0, MOST).map((each) => h("li", {}, typeof each === "object" && each ? finding(each) : worth("", each)))),
        found.length > MOST ? h("p", { class: "quiet" }, `and ${found.length - MOST} more`) : null,
    ];
}

/** One finding: its judgement and its name in the first line, the rest below. */
function finding(each) {
    const entries = Object.entries(each).filter(([, value]) => value !== null && value !== "");
    const judged = entries.filter(([name, value]) => JUDGED.has(name) && typeof value !== "object");
    const [title] = entries.filter(([name, value]) => !JUDGED.has(name) && typeof value === "string");
    const rest = entries.filter((entry) => !judged.includes(entry) && entry !== title);
    return [
        h("div", { class: "row-head" }, judged.map(([name, value]) => worth(name, value)), title ? h("strong", {}, worth("", title[1])) : null),
        rest.length ? h("span", { class: "quiet" }, rest.map(([name, value], index) => [index ? ", " : "", `${words(name)} `, typeof value === "object" ? brief(value) : worth("", value)])) : null,
    ];
}

/** A value: judged, where its name says that it is a judgement; a link, where it is one. */
function worth(name, value) {
    const text = value === true ? "yes" : value === false ? "no" : String(value);
    const tone = JUDGED.has(name) ? Object.keys(TONES).find((each) => TONES[each].test(text)) ?? "held" : null;
    if (tone) return h("span", { class: `sign ${tone}` }, text);
    const link = /^https?:/.test(text) ? safeLink(text) : null;
    return link ? outward(link, text) : own(text);
}

const words = (name) => name.replaceAll("_", " ");

function brief(value) {
    if (Array.isArray(value)) return value.map((each) => (typeof each === "object" && each ? brief(each) : String(each))).join(", ");
    return Object.entries(value).map(([name, each]) => `${words(name)} ${typeof each === "object" && each ? brief(each) : each}`).join(", ");
}
