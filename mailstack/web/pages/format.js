/** Times, sizes and addresses as people read them. */

import { h, userText } from "./dom.js";

const CLOCK = new Intl.DateTimeFormat([], { hour: "numeric", minute: "2-digit" });
const SECONDS = new Intl.DateTimeFormat([], { hour: "numeric", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat([], { month: "short", day: "numeric" });
const DATE = new Intl.DateTimeFormat([], { year: "numeric", month: "short", day: "numeric" });
const WHOLE = new Intl.DateTimeFormat([], { dateStyle: "full", timeStyle: "medium" });
const NUMBER = new Intl.NumberFormat();

/** How far the environment's clock is before ours, in milliseconds: it may have travelled. */
export const clock = { ahead: 0 };

/** What time it is in the environment. */
export const now = () => Date.now() + clock.ahead;

/** A moment as short as can be: the time of today, else the day, else the date. */
export function moment(iso) {
    const today = new Date(now());
    const at = new Date(iso);
    if (Number.isNaN(at.getTime())) return "";
    if (at.toDateString() === today.toDateString()) return CLOCK.format(at);
    return at.getFullYear() === today.getFullYear() ? DAY.format(at) : DATE.format(at);
}

/** A moment to the second, with its day when that is not today. */
export function exact(iso) {
    const at = new Date(iso);
    if (Number.isNaN(at.getTime())) return "";
    const day = at.toDateString() === new Date(now()).toDateString() ? "" : `${DAY.format(at)}, `;
    return day + SECONDS.format(at);
}

/** A moment as an element; the whole of it is in its title. */
export function time(iso, words = moment) {
    const at = new Date(iso);
    if (Number.isNaN(at.getTime())) return h("span", {}, "");
    return h("time", { datetime: iso, title: WHOLE.format(at) }, words(iso));
}

/** A span of milliseconds: "9 ms", "4 s", "2 h 3 min", "5 d". */
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

/** Octets: "512 B", "1.4 kB". */
export function size(octets) {
    if (octets < 1000) return `${octets} B`;
    const units = ["kB", "MB", "GB"];
    let value = octets / 1000;
    let unit = 0;
    for (; value >= 999.5 && unit < units.length - 1; unit += 1) value /= 1000;
    return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** A number with the separators of the reader's country. */
export const number = (value) => NUMBER.format(value);

/** "1 letter", "3 letters". */
export const count = (value, one, many = `${one}s`) => `${number(value)} ${value === 1 ? one : many}`;

/** Somebody's name, else the address. */
export const nameOf = (who) => who?.name || who?.address || "";

/** Somebody: the name, and the address in angle brackets. */
export function person(who) {
    if (!who) return h("span", { class: "quiet" }, "nobody");
    if (!who.name) return userText(who.address, { class: "address" });
    return h("span", { class: "person" }, userText(who.name), " ", userText(`<${who.address}>`, { class: "quiet address" }));
}

/** What a state is called, and how serious it is. */
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

/** A state as a small sign. */
export function stateSign(state) {
    const name = typeof state === "string" ? state : "mixed";
    const [words, tone] = STATES[name] ?? [name, "held"];
    return h("span", { class: `sign ${tone}` }, words);
}

/** An address of the web that may be followed, or null: only http, https and mailto. */
export function safeLink(address) {
    try {
        const url = new URL(address);
        return ["http:", "https:", "mailto:"].includes(url.protocol) ? url.href : null;
    } catch {
        return null;
    }
}

/** Text with its links made links; punctuation at their ends stays outside. */
export function linked(text) {
    const found = [];
    let last = 0;
    for (const match of text.matchAll(/https?:\/\/[^\s<>"'`\u0000-\u001f]+/g)) {
        const address = match[0].replace(/[)\].,;:!?]+$/, "");
        const target = safeLink(address);
        if (!target) continue;
        found.push(text.slice(last, match.index), outward(target, address));
        last = match.index + address.length;
    }
    return [...found, text.slice(last)];
}

/** A link that leads out, without telling where it was. */
export function outward(target, words) {
    return h("a", { href: target, target: "_blank", rel: "noopener noreferrer" }, words);
}
