/** Formats of times, sizes, numbers and addresses. */

import { h, userText } from "./dom.js";

const CLOCK = new Intl.DateTimeFormat([], { hour: "numeric", minute: "2-digit" });
const SECONDS = new Intl.DateTimeFormat([], { hour: "numeric", minute: "2-digit", second: "2-digit" });
const FRACTION = new Intl.DateTimeFormat([], {
    hour: "numeric",
    minute: "2-digit",
    second: "2-digit",
    fractionalSecondDigits: 3,
});
const DAY = new Intl.DateTimeFormat([], { month: "short", day: "numeric" });
const DATE = new Intl.DateTimeFormat([], { year: "numeric", month: "short", day: "numeric" });
const WHOLE = new Intl.DateTimeFormat([], { dateStyle: "full", timeStyle: "medium" });
const NUMBER = new Intl.NumberFormat();

/** Offset of the environment's clock from the browser's, in milliseconds. */
export const clock = { ahead: 0 };

/** Time of the environment, in milliseconds since 1970. */
export const now = () => Date.now() + clock.ahead;

/** Shortest format of a time: the hour if today, the day if this year, else the date. */
export function moment(iso) {
    const today = new Date(now());
    const at = new Date(iso);
    if (Number.isNaN(at.getTime())) return "";
    if (at.toDateString() === today.toDateString()) return CLOCK.format(at);
    return at.getFullYear() === today.getFullYear() ? DAY.format(at) : DATE.format(at);
}

/** Time to the second, with the day if not today. */
export function exact(iso) {
    const at = new Date(iso);
    if (Number.isNaN(at.getTime())) return "";
    const day = at.toDateString() === new Date(now()).toDateString() ? "" : `${DAY.format(at)}, `;
    return day + SECONDS.format(at);
}

/** Time to the millisecond, with the day if not today on this machine: an advanced clock changes no line above. */
export function stamp(iso) {
    const at = new Date(iso);
    if (Number.isNaN(at.getTime())) return "";
    const day = at.toDateString() === new Date().toDateString() ? "" : `${DAY.format(at)}, `;
    return day + FRACTION.format(at);
}

/** Time element with the full time as its title. */
export function time(iso, words = moment) {
    const at = new Date(iso);
    if (Number.isNaN(at.getTime())) return h("span", {}, "");
    return h("time", { datetime: iso, title: WHOLE.format(at) }, words(iso));
}

/** Duration in milliseconds as text: "9 ms", "4 s", "2 h 3 min", "5 d". */
export function span(milliseconds) {
    const value = Math.max(0, milliseconds);
    if (value < 1000) return `${Math.round(value)} ms`;
    const seconds = Math.round(value / 1000);
    if (seconds < 60) return `${value < 10_000 ? (value / 1000).toFixed(1) : seconds} s`;
    const [minutes, hours, days] = [Math.floor(seconds / 60), Math.floor(seconds / 3600), Math.floor(seconds / 86_400)];
    if (minutes < 60) return minutes < 10 && seconds % 60 ? `${minutes} min ${seconds % 60} s` : `${minutes} min`;
    if (hours < 48) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
    return hours % 24 ? `${days} d ${hours % 24} h` : `${days} d`;
}

/** Size in octets as text: "512 B", "1.4 kB". */
export function size(octets) {
    if (octets < 1000) return `${octets} B`;
    const units = ["kB", "MB", "GB"];
    let value = octets / 1000;
    let unit = 0;
    for (; value >= 999.5 && unit < units.length - 1; unit += 1) value /= 1000;
    return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** Number in the locale's format. */
export const number = (value) => NUMBER.format(value);

/** "1 letter", "3 letters". */
export const count = (value, one, many = `${one}s`) => `${number(value)} ${value === 1 ? one : many}`;

/** Display name, else the address. */
export const nameOf = (author) => author?.name || author?.address || "";

/** Display name with the address in angle brackets. */
export function person(author) {
    if (!author) return h("span", { class: "quiet" }, "(none)");
    if (!author.name) return userText(author.address, { class: "address" });
    return h(
        "span",
        { class: "person" },
        userText(author.name),
        " ",
        userText(`<${author.address}>`, { class: "quiet address" }),
    );
}

/** Text and tone of each state. */
const STATES = {
    queued: ["waiting", "wait"],
    deferred: ["waiting", "wait"],
    held: ["held", "held"],
    relayed: ["relayed", "good"],
    delivered: ["delivered", "good"],
    collected: ["collected", "good"],
    bounced: ["bounced", "bad"],
    failed: ["failed", "bad"],
    removed: ["removed", "held"],
    mixed: ["mixed", "wait"],
};

/** State as a badge. */
export function stateSign(state) {
    const name = typeof state === "string" ? state : "mixed";
    const [words, tone] = STATES[name] ?? [name, "held"];
    return h("span", { class: `sign ${tone}` }, words);
}

/** URL if its scheme is http, https or mailto; else null. */
export function safeLink(address) {
    try {
        const url = new URL(address);
        return ["http:", "https:", "mailto:"].includes(url.protocol) ? url.href : null;
    } catch {
        return null;
    }
}

/** Text with links; trailing punctuation is not part of a link. */
export function linkify(text) {
    const found = [];
    let last = 0;
    for (const match of text.matchAll(/https?:\/\/[^\s<>"'`\u0000-\u001f]+/g)) {
        const address = match[0].replace(/[)\].,;:!?]+$/, "");
        const target = safeLink(address);
        if (!target) continue;
        found.push(text.slice(last, match.index), externalLink(target, address));
        last = match.index + address.length;
    }
    return [...found, text.slice(last)];
}

/** Link to another site, without a referrer. */
export function externalLink(target, words) {
    return h("a", { href: target, target: "_blank", rel: "noopener noreferrer" }, words);
}
