/** The servers of the environment, with their domains and the addresses of their services. */

import { get } from "./api.js";
import { copyable } from "./copy.js";
import { h, userText } from "./dom.js";
import { icon } from "./icons.js";
import { kept } from "./live-view.js";
import { nothing, pageOf } from "./tables.js";

export function show(_, main) {
    const body = pageOf(
        main,
        "Servers",
        "Each is a complete mail server with its own host name, queue and mailboxes. Messages travel between them as on the internet.",
    );
    return kept(body, () => get("v1/servers"), draw).end;
}

function draw({ servers }) {
    if (!servers.length) return nothing(h("p", {}, "There are no servers."));
    return h("div", { class: "cards" }, servers.map(card));
}

function card(server) {
    const services = Object.entries(server.services);
    return h(
        "section",
        { class: "card" },
        h("h2", {}, icon("server"), userText(server.name)),
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
