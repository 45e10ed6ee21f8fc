/** Framework page: settings that make a web framework send to this environment, with its ports and copy buttons. */

import { get } from "./api.js";
import { copyButton, copyable } from "./copy.js";
import { fill, h } from "./dom.js";
import { FRAMEWORKS } from "./framework-settings.js";
import { icon } from "./icons.js";
import { errorLine, loading } from "./live-view.js";
import { hashOf } from "./routes.js";
import { pageBody } from "./tables.js";

const WAYS = ["Without TLS and login", "With TLS and a login, as in production"];
const LOOPBACK = /^(localhost|127(\.\d+){3}|\[?::1\]?)$/;

export function show(place, main) {
    let closed = false;
    const chosen = FRAMEWORKS.find((each) => each.name === place.query.name);
    const body = pageBody(
        main,
        "Your framework",
        "Settings that make your application send to this environment. Hosts and ports are those of the running servers.",
    );
    fill(body, loading());
    get("v1/servers").then(
        ({ servers }) => {
            if (!closed) fill(body, content(Object.assign({}, ...servers.map((each) => each.services)), chosen));
        },
        (error) => {
            if (!closed) fill(body, errorLine(error));
        },
    );
    return () => {
        closed = true;
    };
}

function content(services, chosen) {
    const hosts = { plain: plainHost(services.capture), secure: secureHost() };
    if (chosen) return settings(chosen, services, hosts);
    return h("div", { class: "stack" }, choice(), ways(services, hosts));
}

function choice() {
    return h(
        "ul",
        { class: "cards clients", "aria-label": "Frameworks" },
        FRAMEWORKS.map(({ name }) =>
            h(
                "li",
                {},
                h(
                    "a",
                    { class: "card client", href: hashOf(["frameworks"], { name }) },
                    icon("code"),
                    h("span", {}, name),
                ),
            ),
        ),
    );
}

/** Host and port of both ways, for a framework that is not in the list. */
function ways({ capture, submission, submissions }, hosts) {
    return h(
        "div",
        { class: "cards" },
        way(0, [
            ["Host", hosts.plain],
            ["Port", capture.port],
        ]),
        way(1, [
            ["Host", hosts.secure],
            ["Port (STARTTLS)", submission.port],
            ["Port (TLS from the start)", submissions.port],
            ["User", "alice@home.test"],
            ["Password", "alice"],
        ]),
        trust(),
    );
}

function way(number, pairs) {
    return h(
        "section",
        { class: "card" },
        h("h2", {}, WAYS[number]),
        h(
            "dl",
            { class: "pairs" },
            pairs.map(([name, value]) => [h("dt", {}, name), h("dd", {}, copyable(String(value), name.toLowerCase()))]),
        ),
    );
}

function settings({ name, about, ways: texts, note }, services, hosts) {
    return h(
        "section",
        { class: "stack settings" },
        h(
            "header",
            { class: "client-head" },
            h("h2", {}, name),
            h("a", { class: "button", href: hashOf(["frameworks"]) }, icon("back"), "Other frameworks"),
        ),
        about ? h("p", {}, marked(about)) : null,
        texts.map((lines, number) =>
            block(filled(lines.join("\n"), services, hosts), texts.length > 1 ? WAYS[number] : ""),
        ),
        note ? h("p", {}, marked(note)) : null,
        texts.length > 1 ? trust() : null,
    );
}

function block(text, title) {
    return h(
        "figure",
        { class: "file" },
        title ? h("figcaption", {}, title) : null,
        h("pre", { class: "source", tabindex: "0" }, text),
        copyButton(text, "these settings", "Copy"),
    );
}

/** Text with the hosts and ports of this environment in place of the usual ones. */
function filled(text, { capture, submission }, hosts) {
    const values = { "127.0.0.1": hosts.plain, 1025: capture.port, localhost: hosts.secure, 1587: submission.port };
    return text.replace(/\b(?:127\.0\.0\.1|1025|localhost|1587)\b/g, (found) => values[found]);
}

function plainHost({ host }) {
    if (!LOOPBACK.test(location.hostname)) return location.hostname;
    return host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
}

/** Host that the certificate covers. */
function secureHost() {
    return LOOPBACK.test(location.hostname) ? "localhost" : location.hostname;
}

function trust() {
    return h(
        "p",
        { class: "quiet" },
        "The certificate is signed by a private CA: ",
        h("a", { href: "ca.pem" }, "ca.pem"),
        ". Before the application starts, set ",
        h("code", {}, "SSL_CERT_FILE"),
        " to its path (Node.js: ",
        h("code", {}, "NODE_EXTRA_CA_CERTS"),
        "). The sender's address must be that of the account.",
    );
}

/** Text with `code`. */
function marked(text) {
    return text.split("`").map((part, number) => (number % 2 ? h("code", {}, part) : part));
}
