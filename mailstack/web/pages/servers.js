/** Servers page: servers of the environment, with domains and addresses. */

import { get } from "./api.js";
import { copyable } from "./copy.js";
import { h, userText } from "./dom.js";
import { icon } from "./icons.js";
import { liveView } from "./live-view.js";
import { nothing, pageBody } from "./tables.js";

export function show(_, main) {
    const body = pageBody(
        main,
        "Servers",
        "Each is a complete mail server with its own host name, queue and mailboxes. Messages travel between them as on the internet.",
    );
    return liveView(body, () => get("v1/servers"), draw).close;
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
