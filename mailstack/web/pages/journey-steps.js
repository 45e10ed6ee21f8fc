/** List of the steps of a journey, with details and dialogues. */

import { h, userText } from "./dom.js";
import { exact, time } from "./format.js";
import { tls } from "./journey-model.js";
import { hashOf } from "./routes.js";

const NAMES = {
    submitted: "Submitted",
    exchanged: "Accepted",
    routed: "Routed",
    attempted: "Attempt",
    deferred: "Deferred",
    relayed: "Relayed",
    delivered: "Delivered",
    bounced: "Returned",
    collected: "Collected",
    appended: "Appended",
    read: "Read",
    moved: "Moved",
    expunged: "Expunged",
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
    read: "good",
    expunged: "held",
    held: "held",
    removed: "held",
};
const SHOWN = new Set(["at", "server", "step", "letter", "index", "dialogue", "tls"]);
const MAX_NAMED = 3;

/** List of steps; the id of an item is `step-N`. */
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
                      h("summary", {}, said.length ? "Dialogue" : "Details"),
                      said.length ? dialogue(said) : null,
                      facts.length ? table(facts) : null,
                  )
                : null,
        ),
    );
}

/** Dialogue between client and server. */
export function dialogue(lines) {
    return h(
        "pre",
        { class: "dialogue", tabindex: "0" },
        lines.map((line) => {
            const text = String(line);
            const side = text.startsWith("C:")
                ? "client"
                : text.startsWith("S:")
                  ? /^S: [45]/.test(text)
                      ? "server bad"
                      : "server"
                  : "aside";
            return h("span", { class: side, dir: "ltr" }, `${text}\n`);
        }),
    );
}

function sentence(step) {
    const recipients = [step.recipient, ...(step.recipients ?? [])].filter(Boolean);
    const names = () => list(recipients);
    switch (step.step) {
        case "submitted":
            return step.original
                ? ["by the server, about letter ", letterLink(step.original)]
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
                userText(step.reply || step.status || "no reason given"),
                step.next_attempt ? [". Next attempt ", time(step.next_attempt, exact)] : null,
            ];
        case "relayed":
            return [names(), ": ", userText(step.reply || step.host || "")];
        case "delivered":
            return [
                "into the mailbox ",
                userText(step.mailbox || recipients[0] || ""),
                step.folder ? [", to the folder ", userText(step.folder)] : null,
            ];
        case "bounced":
            return [
                names(),
                ": ",
                userText(step.reply || step.why || ""),
                step.report ? [". The sender is notified in ", letterLink(step.report)] : null,
            ];
        case "collected":
            return [
                "by ",
                userText(step.by || "its reader"),
                step.protocol ? ` over ${step.protocol}` : "",
                secured(step),
            ];
        case "appended":
            return ["to the folder ", userText(step.folder || ""), " by ", userText(step.by || "its owner"), secured(step)];
        case "read":
        case "expunged":
            return [
                step.step === "read" ? "in the folder " : "from the folder ",
                userText(step.folder || ""),
                " by ",
                userText(step.by || "its owner"),
                secured(step),
            ];
        case "moved":
            return [
                "from the folder ",
                userText(step.source || ""),
                " to ",
                userText(step.folder || ""),
                " by ",
                userText(step.by || "its owner"),
                secured(step),
            ];
        case "redirected":
            return [names(), " to ", userText(step.to || "")];
        case "copied":
            return [
                "for ",
                names(),
                ", as letter ",
                h("a", { href: hashOf(["journey", step.copy]) }, step.copy),
                step.why ? [": ", userText(step.why)] : null,
            ];
        default:
            return [
                names(),
                step.by ? [" by ", userText(step.by)] : null,
                step.why ? [": ", userText(step.why)] : null,
            ];
    }
}

/** Origin of a submitted letter, and its bare line feeds. */
const origin = (step) => [
    step.copy_of ? [", a copy of ", letterLink(step.copy_of)] : null,
    step.file ? [", from the file ", userText(step.file)] : null,
    step.bare_newlines ? ". Its lines ended in bare LF, which other hosts refuse" : null,
];
const secured = (step) => (tls(step) ? `, ${tls(step)}` : step.step === "attempted" ? ", without TLS" : "");
const letterLink = (id) => h("a", { href: hashOf(["letter", id]) }, id);

function list(all) {
    const shown = all.slice(0, MAX_NAMED).map((each, index) => [index ? ", " : "", userText(String(each))]);
    return all.length > MAX_NAMED ? [...shown, ` and ${all.length - MAX_NAMED} more`] : shown;
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
