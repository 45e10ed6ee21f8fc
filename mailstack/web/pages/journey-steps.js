/** A journey step by step: when, where, what, and why, with what was said to unfold. */

import { h, userText } from "./dom.js";
import { exact, time } from "./format.js";
import { tls } from "./journey-model.js";
import { to } from "./routes.js";

const NAMES = {
    submitted: "Handed in",
    exchanged: "Taken over",
    routed: "Way chosen",
    attempted: "Attempt",
    deferred: "Put off",
    relayed: "Relayed",
    delivered: "Delivered",
    bounced: "Returned",
    collected: "Collected",
    held: "Held",
    released: "Released",
    redirected: "Redirected",
    copied: "Copied",
    removed: "Removed",
};
const TONES = {
    deferred: "wait",
    bounced: "bad",
    relayed: "good",
    delivered: "good",
    collected: "good",
    held: "held",
    removed: "held",
};
const SHOWN = new Set(["at", "server", "step", "letter", "index", "dialogue", "tls"]);
const MOST_NAMED = 3;

/** The list; each item's id is `step-N`. */
export function stepList(steps) {
    return h(
        "ol",
        { class: "steps", "aria-label": "Step by step" },
        steps.map((step, index) => item(step, index)),
    );
}

function item(step, index) {
    const facts = factsOf(step);
    const said = Array.isArray(step.dialogue) ? step.dialogue : [];
    const trouble = step.step === "deferred" || step.step === "bounced";
    return h(
        "li",
        { id: `step-${index}`, class: trouble ? "trouble-step" : null, tabindex: "-1" },
        time(step.at, exact),
        h(
            "div",
            { class: "told" },
            h(
                "p",
                {},
                h("strong", { class: `step-name ${TONES[step.step] ?? ""}` }, NAMES[step.step] ?? step.step),
                " ",
                sentence(step),
                " ",
                h("span", { class: "quiet" }, `at ${step.server}`),
            ),
            said.length || facts.length
                ? h(
                      "details",
                      {},
                      h("summary", {}, said.length ? "What was said" : "More"),
                      said.length ? dialogue(said) : null,
                      facts.length ? table(facts) : null,
                  )
                : null,
        ),
    );
}

/** What was said between two hosts. */
export function dialogue(lines) {
    return h(
        "pre",
        { class: "dialogue", tabindex: "0" },
        lines.map((line) => {
            const text = String(line);
            const who = text.startsWith("C:")
                ? "client"
                : text.startsWith("S:")
                  ? /^S: [45]/.test(text)
                      ? "server bad"
                      : "server"
                  : "aside";
            return h("span", { class: who, dir: "ltr" }, `${text}\n`);
        }),
    );
}

function sentence(step) {
    const whom = [step.recipient, ...(step.recipients ?? [])].filter(Boolean);
    const names = () => list(whom);
    switch (step.step) {
        case "submitted":
            return step.original
                ? ["by the server itself, about letter ", letterLink(step.original)]
                : ["by ", userText(step.by || step.client || "a client"), secured(step), origin(step)];
        case "exchanged":
            return ["from ", userText(step.helo || step.client || "another host"), secured(step), origin(step)];
        case "routed":
            return step.mailbox
                ? ["into the mailbox ", userText(step.mailbox)]
                : step.targets
                  ? ["to ", list(step.targets)]
                  : ["for ", names(), " by ", userText(step.via || ""), step.why ? [": ", userText(step.why)] : null];
        case "attempted":
            return ["at ", userText(step.host || "another host"), secured(step), ", for ", names()];
        case "deferred":
            return [
                names(),
                ": ",
                userText(step.reply || step.status || "no reason is known"),
                step.next_attempt ? [". Again ", time(step.next_attempt, exact)] : null,
            ];
        case "relayed":
            return [names(), ": ", userText(step.reply || step.host || "")];
        case "delivered":
            return ["into the mailbox ", userText(step.mailbox || whom[0] || "")];
        case "bounced":
            return [
                names(),
                ": ",
                userText(step.reply || step.why || ""),
                step.report ? [". The sender is told in ", letterLink(step.report)] : null,
            ];
        case "collected":
            return ["by ", userText(step.by || "its reader"), step.protocol ? ` over ${step.protocol}` : "", secured(step)];
        case "redirected":
            return [names(), " to ", userText(step.to || "")];
        case "copied":
            return [
                "for ",
                names(),
                ", as letter ",
                h("a", { href: to(["journey", step.copy]) }, step.copy),
                step.why ? [": ", userText(step.why)] : null,
            ];
        default:
            return [names(), step.by ? [" by ", userText(step.by)] : null, step.why ? [": ", userText(step.why)] : null];
    }
}

/** What a letter was before it came, and what other hosts would not take of it. */
const origin = (step) => [
    step.copy_of ? [", a copy of ", letterLink(step.copy_of)] : null,
    step.file ? [", out of the file ", userText(step.file)] : null,
    step.bare_newlines ? ". Its lines ended in LF alone, which other hosts refuse" : null,
];
const secured = (step) => (tls(step) ? `, ${tls(step)}` : step.step === "attempted" ? ", without TLS" : "");
const letterLink = (id) => h("a", { href: to(["letter", id]) }, id);

function list(all) {
    const shown = all.slice(0, MOST_NAMED).map((each, index) => [index ? ", " : "", userText(String(each))]);
    return all.length > MOST_NAMED ? [...shown, ` and ${all.length - MOST_NAMED} more`] : shown;
}

function factsOf(step) {
    const given =
        step.tls && typeof step.tls === "object"
            ? {
                  ...step,
                  ...Object.fromEntries(Object.entries(step.tls).map(([name, value]) => [`tls ${name}`, value])),
              }
            : step;
    return Object.entries(given).filter(
        ([name, value]) =>
            !SHOWN.has(name) && value !== null && value !== "" && !(Array.isArray(value) && !value.length),
    );
}

function table(facts) {
    return h(
        "table",
        { class: "fieldtable" },
        h(
            "tbody",
            {},
            facts.map(([name, value]) =>
                h(
                    "tr",
                    {},
                    h("th", { scope: "row" }, name.replaceAll("_", " ")),
                    h("td", { dir: "auto" }, words(value)),
                ),
            ),
        ),
    );
}

function words(value) {
    if (Array.isArray(value)) return value.map(words).join(", ");
    if (value && typeof value === "object")
        return Object.entries(value)
            .map(([name, each]) => `${name} ${words(each)}`)
            .join(", ");
    return String(value);
}
