/** The post offices of the environment: what each is for, and where its services are. */

import { get } from "./api.js";
import { copyable } from "./copying.js";
import { h, own } from "./dom.js";
import { icon } from "./icons.js";
import { kept } from "./loading.js";
import { nothing, pageOf } from "./tables.js";

export function show(_, main) {
    const body = pageOf(
        main,
        "Post offices",
        "Each is a whole office with its own name, queue and mailboxes. Letters travel from one to the other as they would on the internet.",
    );
    return kept(body, () => get("v1/offices"), draw).end;
}

function draw({ offices }) {
    if (!offices.length) return nothing(h("p", {}, "No office is known."));
    return h("div", { class: "cards" }, offices.map(card));
}

function card(office) {
    const services = Object.entries(office.services);
    return h(
        "section",
        { class: "card" },
        h("h2", {}, icon("office"), own(office.name)),
        h(
            "p",
            { class: "quiet" },
            office.about ||
                (office.domains?.length ? ["Mail for ", office.domains.join(", ")] : "Mail for every other domain"),
        ),
        services.length
            ? h(
                  "dl",
                  { class: "pairs" },
                  services.map(([name, at]) => [
                      h("dt", {}, name),
                      h("dd", {}, copyable(`${at.host}:${at.port}`, `the address of ${name}`)),
                  ]),
              )
            : null,
    );
}
