/** The mail servers of the environment: what each is for, and where its services are. */

import { get } from "./api.js";
import { copyable } from "./copying.js";
import { h, own } from "./dom.js";
import { icon } from "./icons.js";
import { kept } from "./loading.js";
import { nothing, pageOf } from "./tables.js";

export function show(_, main) {
    const body = pageOf(
        main,
        "Mail servers",
        "Each is a whole server with its own name, queue and mailboxes. Letters travel from one to the other as they would on the internet.",
    );
    return kept(body, () => get("v1/servers"), draw).end;
}

function draw({ servers }) {
    if (!servers.length) return nothing(h("p", {}, "No server is known."));
    return h("div", { class: "cards" }, servers.map(card));
}

function card(server) {
    const services = Object.entries(server.services);
    return h(
        "section",
        { class: "card" },
        h("h2", {}, icon("server"), own(server.name)),
        h(
            "p",
            { class: "quiet" },
            server.about ||
                (server.domains?.length ? ["Mail for ", server.domains.join(", ")] : "Mail for every other domain"),
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
