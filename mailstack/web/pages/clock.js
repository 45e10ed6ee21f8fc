/** Clock page: time of the environment, and buttons that advance it. */

import { get, post } from "./api.js";
import { button, h } from "./dom.js";
import { field } from "./dialogs.js";
import { now, span } from "./format.js";
import { liveView } from "./live-view.js";
import { setClock } from "./navigation.js";
import { notice, attempt } from "./notices.js";
import { pageBody } from "./tables.js";

const STEPS = [
    ["5m", "+5 minutes"],
    ["1h", "+1 hour"],
    ["1d", "+1 day"],
    ["5d", "+5 days"],
];
const ADVANCE_TIMEOUT = 330_000; // milliseconds; the server stops after five minutes
const FACE = new Intl.DateTimeFormat([], { dateStyle: "full", timeStyle: "medium" });

export function show(_, main) {
    const face = h("p", { class: "bigclock", role: "timer", "aria-live": "off" }, "…");
    const ahead = h("p", { class: "quiet", role: "status" }, "");
    const body = pageBody(
        main,
        "Clock",
        "Retries, delay notices, bounces and expiry take hours or days. Advance the clock, and all that is due until then happens.",
    );
    const tick = () => {
        face.textContent = FACE.format(new Date(now()));
    };
    const update = (found) => {
        setClock(found);
        ahead.textContent =
            found.ahead > 0.5
                ? `${span(found.ahead * 1000)} ahead of this machine's clock. It can only advance; a restart resets it.`
                : "Same as this machine's clock.";
        tick();
    };
    let advancing = false;
    const advance = async (by) => {
        if (advancing) return;
        advancing = true;
        const before = ahead.textContent;
        ahead.textContent = "Advancing: all that is due until then happens now.";
        const advanced = await attempt(async () => {
            update(await post("v1/clock", { advance: by }, ADVANCE_TIMEOUT));
            notice(`It is ${FACE.format(new Date(now()))} now`);
        });
        if (!advanced) ahead.textContent = before;
        advancing = false;
    };
    const other = h(
        "form",
        {
            class: "inline by",
            onsubmit: (event) => {
                event.preventDefault();
                advance(other.elements.by.value.trim());
            },
        },
        field("By", "by", {
            required: true,
            placeholder: "36h",
            autocomplete: "off",
            pattern: "[0-9.]+[smhd]",
            title: "A number and s, m, h or d",
        }),
        h("button", {}, "Advance"),
    );
    const card = h(
        "section",
        { class: "card" },
        face,
        ahead,
        h(
            "div",
            { class: "inline" },
            STEPS.map(([by, words]) => button(words, () => advance(by), { class: by === "1h" ? "primary" : null })),
        ),
        other,
    );
    const view = liveView(
        body,
        () => get("v1/clock"),
        (found) => {
            update(found);
            return card;
        },
        ["clock"],
    );
    const ticking = setInterval(tick, 1000);
    return () => {
        clearInterval(ticking);
        view.close();
    };
}
