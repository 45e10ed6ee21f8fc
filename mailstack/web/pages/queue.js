/** Queue page: deliveries by destination, with reason and next attempt. */

import { get, segment, post } from "./api.js";
import { button, h, userText } from "./dom.js";
import { confirmDialog, field, formDialog } from "./dialogs.js";
import { count, exact, number, stateSign } from "./format.js";
import { iconButton } from "./icons.js";
import { countDown } from "./journey-picture.js";
import { liveView } from "./live-view.js";
import { notice, attempt } from "./notices.js";
import { hashOf } from "./routes.js";
import { nothing, pageBody, table } from "./tables.js";

const MAX_SHOWN = 500; // letters
const DONE = { retry: "An attempt starts now", hold: "Held", release: "Released", remove: "Removed" };

export function show(_, main) {
    const body = pageBody(
        main,
        "Queue",
        "Accepted letters that are not delivered yet: destination, reason and next attempt.",
    );
    const view = liveView(body, () => get("v1/queue", { limit: MAX_SHOWN }), draw, ["step"]);
    const ticking = setInterval(() => countDown(body), 1000);
    return () => {
        clearInterval(ticking);
        view.close();
    };
}

function draw({ letters = [], total = 0, more }) {
    if (!letters.length) {
        return nothing(
            h("h2", {}, "Nothing waits"),
            h("p", {}, "Every letter has been delivered or returned. To see a letter wait, let a host defer it:"),
            h("a", { class: "button", href: "#/faults" }, "Set a fault"),
        );
    }
    const groups = byDestination(letters);
    const content = [
        more
            ? h("p", { class: "quiet" }, `These are the newest ${number(letters.length)} of ${number(total)} letters.`)
            : null,
        [...groups].map(([name, waiting]) => group(name, waiting)),
    ];
    const holder = h("div", { class: "stack" }, content);
    countDown(holder);
    return holder;
}

/** Pending deliveries by destination. */
function byDestination(letters) {
    const groups = new Map();
    for (const letter of letters) {
        for (const delivery of letter.deliveries ?? []) {
            if (!["queued", "held", "deferred"].includes(delivery.state)) continue;
            const name = delivery.destination || delivery.recipient.split("@").at(-1);
            if (!groups.has(name)) groups.set(name, []);
            groups.get(name).push({ letter, delivery });
        }
    }
    return groups;
}

function group(name, waiting) {
    const ids = [...new Set(waiting.map(({ letter }) => letter.id))];
    const reasons = new Map();
    for (const { delivery } of waiting) reasons.set(reasonOf(delivery), (reasons.get(reasonOf(delivery)) ?? 0) + 1);
    const [reason] = [...reasons].sort((a, b) => b[1] - a[1])[0];
    // A common reason is shown once, above the table.
    const columns = ["Letter", "For", "Tries", "Next", reasons.size > 1 && "Reason", ""].filter(
        (name) => name !== false,
    );
    return h(
        "section",
        { class: "panelled group", "aria-label": name },
        h(
            "header",
            {},
            h("h2", {}, userText(name)),
            h("span", { class: "quiet" }, count(waiting.length, "recipient")),
            h(
                "span",
                { class: "inline" },
                button("Try all now", () => act("retry", ids), { "data-key": `retry ${name}` }),
                button("Hold all", () => act("hold", ids), { "data-key": `hold ${name}` }),
            ),
            h("p", { class: "reason", dir: "auto" }, reason),
        ),
        table(
            columns,
            waiting.map((each) => row(each, reasons.size > 1)),
        ).firstChild,
    );
}

function row({ letter, delivery }, withReason) {
    const held = delivery.state === "held";
    const { id } = letter;
    return [
        h("a", { href: hashOf(["journey", id]) }, userText(letter.subject || letter.sender || "<>")),
        userText(delivery.recipient),
        h("span", { class: "figure" }, String(delivery.attempts ?? 0)),
        held
            ? stateSign("held")
            : h(
                  "span",
                  {
                      class: "figure countdown",
                      "data-until": delivery.next_attempt ?? "",
                      title: delivery.next_attempt ? exact(delivery.next_attempt) : null,
                  },
                  "",
              ),
        withReason && h("span", { class: "reason", dir: "auto" }, reasonOf(delivery)),
        [
            held
                ? iconButton("play", "Release", () => act("release", [id]), { "data-key": `release ${id}` })
                : iconButton("retry", "Try now", () => act("retry", [id]), { "data-key": `retry ${id}` }),
            held ? null : iconButton("hold", "Hold", () => act("hold", [id]), { "data-key": `hold ${id}` }),
            iconButton("alias", "Redirect", () => redirect(id, delivery.recipient), { "data-key": `redirect ${id}` }),
            iconButton("trash", "Remove", () => removeLetter(id), { "data-key": `remove ${id}` }),
        ],
    ].filter((cell) => cell !== false);
}

const reasonOf = (delivery) =>
    [delivery.text && delivery.status && !delivery.text.includes(delivery.status) ? delivery.status : "", delivery.text]
        .filter(Boolean)
        .join(" ") || (delivery.attempts ? "attempt in progress" : "not tried yet");

function act(verb, ids) {
    return attempt(async () => {
        for (const id of ids) await post(`v1/queue/${segment(id)}/${verb}`, {});
        notice(ids.length > 1 ? `${DONE[verb]}: ${count(ids.length, "letter")}` : DONE[verb]);
    });
}

function redirect(id, recipient) {
    formDialog(
        "Redirect",
        [
            h("p", {}, "Delivers the letter to another address in place of ", userText(recipient), "."),
            field("To", "to", { type: "email", required: true, autocomplete: "off" }),
        ],
        "Redirect",
        async ({ to: target }) => {
            await post(`v1/queue/${segment(id)}/redirect`, { recipient, to: target });
            notice(`Redirected to ${target}`);
        },
    );
}

async function removeLetter(id) {
    if (
        await confirmDialog("Remove this letter from the queue?", "Remove", {
            explanation: "It is not delivered, and the sender is not notified.",
        })
    )
        act("remove", [id]);
}
