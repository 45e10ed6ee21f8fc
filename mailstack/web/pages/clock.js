/** The clock of the environment: what time it is there, and travel into its future. */

import { get, post } from "./api.js";
import { button, h } from "./dom.js";
import { field } from "./dialogs.js";
import { now, span } from "./format.js";
import { kept } from "./live-view.js";
import { setClock } from "./navigation.js";
import { notice, tried } from "./notices.js";
import { pageOf } from "./tables.js";

const JUMPS = [
    ["5m", "+5 minutes"],
    ["1h", "+1 hour"],
    ["1d", "+1 day"],
    ["5d", "+5 days"],
];
const LONGEST_JOURNEY = 330_000; // milliseconds; the server ends one of five minutes itself
const FACE = new Intl.DateTimeFormat([], { dateStyle: "full", timeStyle: "medium" });

export function show(_, main) {
    const face = h("p", { class: "bigclock", role: "timer", "aria-live": "off" }, "…");
    const ahead = h("p", { class: "quiet", role: "status" }, "");
    const body = pageOf(
        main,
        "Clock",
        "Letters that wait for their next attempt, delay notices, bounces and expiry need hours or days. Travel there: everything that would have happened until then happens.",
    );
    const tick = () => {
        face.textContent = FACE.format(new Date(now()));
    };
    const take = (found) => {
        setClock(found);
        ahead.textContent =
            found.ahead > 0.5
                ? `${span(found.ahead * 1000)} ahead of this machine's clock. It only goes forward; a restart brings it back.`
                : "As this machine's clock.";
        tick();
    };
    let underWay = false;
    const travel = async (by) => {
        if (underWay) return;
        underWay = true;
        const before = ahead.textContent;
        ahead.textContent = "On the way: all that is due until then happens now.";
        const arrived = await tried(async () => {
            take(await post("v1/clock", { advance: by }, LONGEST_JOURNEY));
            notice(`It is ${FACE.format(new Date(now()))} now`);
        });
        if (!arrived) ahead.textContent = before;
        underWay = false;
    };
    const other = h(
        "form",
        {
            class: "inline by",
            onsubmit: (event) => {
                event.preventDefault();
                travel(other.elements.by.value.trim());
            },
        },
        field("By", "by", {
            required: true,
            placeholder: "36h",
            autocomplete: "off",
            pattern: "[0-9.]+[smhd]",
            title: "A number and s, m, h or d",
        }),
        h("button", {}, "Travel"),
    );
    const card = h(
        "section",
        { class: "card" },
        face,
        ahead,
        h(
            "div",
            { class: "inline" },
            JUMPS.map(([by, words]) => button(words, () => travel(by), { class: by === "1h" ? "primary" : null })),
        ),
        other,
    );
    const view = kept(
        body,
        () => get("v1/clock"),
        (found) => {
            take(found);
            return card;
        },
        ["clock"],
    );
    const ticking = setInterval(tick, 1000);
    return () => {
        clearInterval(ticking);
        view.end();
    };
}
