/** Journey page and tab: live picture and steps of a letter. */

import { get, segment, post } from "./api.js";
import { button, fill, h } from "./dom.js";
import { icon } from "./icons.js";
import { grouped, modelOf } from "./journey-model.js";
import { countDown, picture } from "./journey-picture.js";
import { stepList } from "./journey-steps.js";
import { pageKeys } from "./keyboard.js";
import { loading, errorLine } from "./live-view.js";
import { debounced, on } from "./live.js";
import { notice, attempt } from "./notices.js";
import { go, hashOf } from "./routes.js";

const WAITING = new Set(["queued", "deferred", "held"]);

export function show(place, main) {
    const id = place.path[1] ?? "";
    const panel = h("div", {});
    const page = h(
        "div",
        { class: "page" },
        h(
            "header",
            {},
            h("h1", {}, "Journey"),
            h("a", { class: "button", href: hashOf(["letter", id]) }, icon("mail"), "The letter"),
        ),
        panel,
    );
    main.append(page);
    const noKeys = pageKeys({ u: ["To the letter", () => go(["letter", id])] });
    const end = showIn(panel, { id });
    return () => {
        noKeys();
        end();
    };
}

/** Shows the journey of a letter in a panel, and updates it after each step. */
export function showIn(panel, { id }) {
    let letters = new Set([id]);
    let shown = "";
    let closed = false;
    const draw = async () => {
        const journey = await get(`v1/journeys/${segment(id)}`);
        const text = JSON.stringify(journey);
        if (closed || text === shown) return;
        shown = text;
        letters = new Set([
            id,
            ...journey.steps.map((step) => step.letter),
            ...journey.steps.map((step) => step.remote_id).filter(Boolean),
        ]);
        const open = new Set([...panel.querySelectorAll(".steps details[open]")].map((each) => each.closest("li").id));
        fill(panel, face(journey));
        for (const each of open) panel.querySelector(`#${CSS.escape(each)} details`)?.setAttribute("open", "");
        countDown(panel);
    };
    const failed = (error) => {
        if (!closed && !shown) fill(panel, errorLine(error));
    };
    const redraw = debounced(() => draw().catch(failed), 60);
    const ticking = setInterval(() => countDown(panel), 1000);
    const off = [
        on("step", (step) => {
            if (letters.has(step.letter) || letters.has(step.remote_id)) redraw();
        }),
        on("missed", redraw),
    ];
    fill(panel, loading());
    draw().catch(failed);
    return () => {
        closed = true;
        clearInterval(ticking);
        for (const each of off) each();
    };
}

function face(journey) {
    const { trunk, lines } = modelOf(journey);
    if (!lines.length) return h("p", { class: "quiet" }, "This letter has no steps.");
    const waiting = lines.filter((line) => WAITING.has(line.state));
    return h(
        "div",
        { class: "stack" },
        waiting.length ? queueButtons([...new Set(waiting.map((line) => line.letter))], waiting) : null,
        picture(trunk, grouped(lines), showSteps),
        h("section", {}, h("h2", {}, "Step by step"), stepList(journey.steps)),
    );
}

/** Buttons for a letter in the queue. */
function queueButtons(ids, waiting) {
    const act = (verb, text) => () =>
        attempt(async () => {
            for (const each of ids) await post(`v1/queue/${segment(each)}/${verb}`, {});
            notice(text);
        });
    const held = waiting.every((line) => line.state === "held");
    return h(
        "p",
        { class: "inline" },
        h(
            "span",
            { class: "quiet" },
            waiting.length === 1 ? "One recipient is in the queue." : `${waiting.length} recipients are in the queue.`,
        ),
        held ? button("Release", act("release", "Released")) : button("Try now", act("retry", "An attempt starts now")),
        held ? null : button("Hold", act("hold", "Held")),
        h("a", { class: "button", href: "#/queue" }, "Queue"),
    );
}

function showSteps(steps) {
    const items = steps.map((index) => document.getElementById(`step-${index}`)).filter(Boolean);
    if (!items.length) return;
    for (const each of document.querySelectorAll(".steps .marked")) each.classList.remove("marked");
    for (const item of items) {
        item.classList.add("marked");
        item.querySelector("details")?.setAttribute("open", "");
    }
    items[0].scrollIntoView({
        block: "center",
        behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth",
    });
    items[0].focus({ preventScroll: true });
}
