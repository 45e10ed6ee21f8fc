/** Picture of a journey: ordered lists that CSS draws as lines with stations. */

import { button, h, svg, userText } from "./dom.js";
import { exact, now, span, stateSign, time } from "./format.js";
import { icon } from "./icons.js";
import { hashOf } from "./routes.js";

const ICONS = {
    person: "account",
    server: "server",
    queue: "queue",
    attempt: "go",
    attempts: "retry",
    mailbox: "mailbox",
    reader: "read",
    bounce: "bounce",
    held: "hold",
    released: "play",
    alias: "alias",
    copy: "copy",
    removed: "trash",
    next: "clock",
};
const TONES = { good: "", wait: "deferred", bad: "failed", quiet: "" };
const MIN_WIDTH = 132; // pixels of a station on a horizontal line
const MAX_NAMED = 12; // recipients of a group

/** Draws grouped `lines` after `trunk`; a click on a station calls `onSelect(steps)`. */
export function picture(trunk, lines, onSelect) {
    if (lines.length === 1 && lines[0].recipients.length === 1) {
        const [line] = lines;
        return h("div", { class: "map single" }, track([...trunk, ...line.stations], onSelect));
    }
    return h(
        "div",
        { class: "map" },
        track(trunk, onSelect, { down: true, label: "From the sender" }),
        h(
            "ul",
            { class: "branches", "aria-label": "Recipients" },
            lines.map((line) => branch(line, onSelect)),
        ),
    );
}

function branch(line, onSelect) {
    const [first, ...rest] = line.recipients;
    return h(
        "li",
        { class: `branch ${toneOf(line)}` },
        h(
            "div",
            { class: "goal" },
            userText(first, { class: "address" }),
            stateSign(line.state),
            rest.length
                ? h("details", {}, h("summary", {}, `and ${rest.length} more, in the same way`), names(rest))
                : null,
        ),
        track(line.stations, onSelect, { label: `To ${first}` }),
    );
}

function names(all) {
    const list = h(
        "ul",
        { class: "names" },
        all.slice(0, MAX_NAMED).map((each) => h("li", {}, userText(each))),
    );
    if (all.length > MAX_NAMED) {
        const rest = h(
            "li",
            {},
            button(
                `${all.length - MAX_NAMED} more`,
                () => rest.replaceWith(...all.slice(MAX_NAMED).map((each) => h("li", {}, userText(each)))),
                { class: "link" },
            ),
        );
        list.append(rest);
    }
    return list;
}

const toneOf = (line) =>
    ({ bounced: "bad", deferred: "wait", queued: "wait", held: "quiet", removed: "quiet" })[line.state] ?? "good";

/** Line of stations: horizontal if there is room, else vertical. */
function track(stations, onSelect, { down = false, label = "Journey" } = {}) {
    const list = h(
        "ol",
        { class: "track", "aria-label": label, "data-way": down ? "down" : "across" },
        stations.map((each, index) => stationOf(each, stations[index - 1], stations[index + 1], onSelect)),
    );
    if (!down) orientation.observe(list);
    return list;
}

const orientation = new ResizeObserver((entries) => {
    for (const { target, contentRect } of entries) {
        if (!target.isConnected) orientation.unobserve(target);
        else target.dataset.way = contentRect.width >= target.children.length * MIN_WIDTH ? "across" : "down";
    }
});

function stationOf(station, before, next, onSelect) {
    const marker = h(
        "span",
        { class: "marker" },
        icon(station.tone === "bad" && station.kind === "attempt" ? "close" : ICONS[station.kind]),
    );
    const words = h(
        "span",
        { class: "words" },
        h("strong", { dir: "auto" }, breakable(station.title)),
        TONES[station.tone] && station.kind === "attempt"
            ? h("span", { class: "offstage" }, `, ${TONES[station.tone]}`)
            : null,
        station.at && !(before?.at && exact(before.at) === exact(station.at)) ? time(station.at, exact) : null,
        station.details.map((each) => h("span", { class: "detail", dir: "auto" }, each)),
        station.said ? h("span", { class: "detail said", dir: "auto" }, station.said) : null,
        station.next && !station.at ? h("span", { class: "detail countdown", "data-until": station.next }, "") : null,
    );
    const body = station.steps.length
        ? h("button", { type: "button", class: "stop", onclick: () => onSelect(station.steps) }, marker, words)
        : h("span", { class: "stop" }, marker, words);
    const classes = ["station", station.tone, station.ghost && "ghost", station.live && "live", `is-${station.kind}`];
    return h(
        "li",
        { class: classes.filter(Boolean).join(" ") },
        leg(station, next),
        body,
        station.report
            ? h("a", { class: "report", href: hashOf(["letter", station.report]) }, "Read the report")
            : null,
    );
}

/** Address that may break after its @. */
const breakable = (name) => name.split("@").flatMap((each, index) => (index ? ["@", h("wbr"), each] : [each]));

/** Line to the next station, with the time between the two. */
function leg(station, next) {
    if (!next) return null;
    const took = next.at && station.at ? new Date(next.at) - new Date(station.at) : NaN;
    const classes = ["leg", next.tone, next.ghost && "ghost", next.live && "live"].filter(Boolean).join(" ");
    return h(
        "span",
        { class: classes },
        took > 0 ? h("span", { class: "took" }, span(took)) : null,
        next.live ? wanderer() : null,
    );
}

/** Animated letter of a pending step. */
function wanderer() {
    return svg(
        "svg",
        { class: "wanderer", viewBox: "0 0 16 12", "aria-hidden": "true" },
        svg("path", { d: "M1 1h14v10H1zm0 .5 7 5.5 7-5.5" }),
    );
}

/** Updates the countdowns in an element. */
export function countDown(element) {
    for (const each of element.querySelectorAll(".countdown")) {
        const left = new Date(each.dataset.until) - now();
        each.textContent = Number.isNaN(left) ? "" : left > 0 ? `in ${span(Math.ceil(left / 1000) * 1000)}` : "now";
    }
}
