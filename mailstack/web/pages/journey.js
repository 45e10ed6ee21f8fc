/** The journey of one letter: its picture, and its steps; it moves while the letter does. */

import { get, part, post } from "./api.js";
import { button, fill, h } from "./dom.js";
import { icon } from "./icons.js";
import { grouped, modelOf } from "./journey-model.js";
import { countDown, picture } from "./journey-picture.js";
import { stepList } from "./journey-steps.js";
import { pageKeys } from "./help.js";
import { loading, trouble } from "./live-view.js";
import { debounced, on } from "./live.js";
import { notice, tried } from "./notices.js";
import { go, to } from "./routes.js";

const WAITING = new Set(["queued", "deferred", "held"]);

/** The page of its own. */
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
            h("a", { class: "button", href: to(["letter", id]) }, icon("mail"), "The letter"),
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

/** Draws the journey of a letter into a panel, and again whenever a step of it is told. */
export function showIn(panel, { id }) {
    let letters = new Set([id]);
    let seen = "";
    let over = false;
    const draw = async () => {
        const journey = await get(`v1/journeys/${part(id)}`);
        const look = JSON.stringify(journey);
        if (over || look === seen) return;
        seen = look;
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
        if (!over && !seen) fill(panel, trouble(error));
    };
    const again = debounced(() => draw().catch(failed), 60);
    const ticking = setInterval(() => countDown(panel), 1000);
    const off = [
        on("step", (step) => {
            if (letters.has(step.letter) || letters.has(step.remote_id)) again();
        }),
        on("again", again),
    ];
    fill(panel, loading());
    draw().catch(failed);
    return () => {
        over = true;
        clearInterval(ticking);
        for (const each of off) each();
    };
}

function face(journey) {
    const { trunk, lines } = modelOf(journey);
    if (!lines.length) return h("p", { class: "quiet" }, "No step of this letter is known.");
    const waiting = lines.filter((line) => WAITING.has(line.state));
    return h(
        "div",
        { class: "stack" },
        waiting.length ? pushes([...new Set(waiting.map((line) => line.letter))], waiting) : null,
        picture(trunk, grouped(lines), chosen),
        h("section", {}, h("h2", {}, "Step by step"), stepList(journey.steps)),
    );
}

/** What an operator can do about a letter that waits. */
function pushes(ids, waiting) {
    const act = (verb, words) => () =>
        tried(async () => {
            for (const each of ids) await post(`v1/queue/${part(each)}/${verb}`, {});
            notice(words);
        });
    const held = waiting.every((line) => line.state === "held");
    return h(
        "p",
        { class: "inline" },
        h(
            "span",
            { class: "quiet" },
            waiting.length === 1 ? "One recipient waits." : `${waiting.length} recipients wait.`,
        ),
        held ? button("Release", act("release", "Released")) : button("Try now", act("retry", "It is tried now")),
        held ? null : button("Hold", act("hold", "Held")),
        h("a", { class: "button", href: "#/queue" }, "Queue"),
    );
}

function chosen(steps) {
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
