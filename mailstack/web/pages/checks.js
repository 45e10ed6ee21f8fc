/** Checks of a letter: authentication, unsubscription, HTML support, spam score, links. */

import { get, segment } from "./api.js";
import { button, fill, h, userText } from "./dom.js";
import { count, externalLink, safeLink } from "./format.js";

/** Checks: title, description, whether it runs at once, and function. */
const CHECKS = [
    ["Authentication", "Results of SPF, DKIM, DMARC and ARC at arrival.", true, authentication],
    [
        "Unsubscribing",
        "List-Unsubscribe, as large mailbox providers require it (RFC 2369, RFC 8058).",
        true,
        unsubscribing,
    ],
    ["HTML", "Support of its HTML and CSS in mail clients, by caniemail.com.", true, html],
    ["Spam", "Score of the configured spam filter, which may query lists on the internet.", false, spam],
    [
        "Links",
        "HTTP status of each link. In the dev environment only URLs of this machine are requested.",
        false,
        links,
    ],
];
const MAX_SHOWN = 60; // findings

export function showChecks(panel, letter) {
    let closed = false;
    fill(
        panel,
        h(
            "div",
            { class: "checks" },
            CHECKS.map(([title, about, atOnce, check]) => {
                const body = h("div", { class: "checked" });
                const run = async () => {
                    fill(body, h("p", { class: "quiet", role: "status" }, "Checking"));
                    const found = await check(letter).catch((error) => h("p", { class: "quiet" }, error.message));
                    if (!closed) fill(body, found);
                };
                if (atOnce) run();
                else fill(body, button("Check", run, { "aria-label": `Check: ${title}` }));
                return h(
                    "section",
                    { class: "check", "aria-label": title },
                    h("header", {}, h("h2", {}, title), h("span", { class: "quiet" }, about)),
                    body,
                );
            }),
        ),
    );
    return () => {
        closed = true;
    };
}

/** Authentication-Results of the servers, newest first. */
async function authentication(letter) {
    const { results } = await resultOf(letter, "authentication");
    const found = results.flatMap(({ server, methods }) => methods.map((each) => ({ server, ...each })));
    if (!found.length) {
        const signed = letter.headers.some(([name]) => /^dkim-signature$/i.test(name));
        return h(
            "p",
            {},
            `The letter is ${signed ? "" : "not "}signed with DKIM, and no server has written down an authentication result.`,
        );
    }
    return findings(
        found.map(({ server, method, result, detail }) => [
            headed(
                sign(tone(result), result),
                h("strong", {}, method.toUpperCase()),
                h("span", { class: "quiet" }, "at ", userText(server)),
            ),
            detail ? h("span", { class: "quiet" }, userText(detail)) : null,
        ]),
    );
}

/** Result of a check of the API. */
const resultOf = (letter, name, query) => get(`v1/letters/${segment(letter.id)}/checks/${name}`, query);

const tone = (result) => (/^pass/.test(result) ? "good" : /^(fail|permerror|reject)/.test(result) ? "bad" : "wait");

async function unsubscribing({ list_unsubscribe: found }) {
    if (!found)
        return h(
            "p",
            {},
            "The letter has no List-Unsubscribe. Bulk senders need it: Gmail and Yahoo require one-click unsubscription.",
        );
    return findings([
        found.faults.length
            ? headed(
                  sign("bad", "faulty"),
                  found.faults.map((each) => userText(each)),
              )
            : headed(sign("good", "in order"), userText(found.header)),
        headed(
            sign(found.one_click ? "good" : "wait", found.one_click ? "yes" : "no"),
            "One click (List-Unsubscribe-Post)",
        ),
        ...found.links.map((link) => [address(link)]),
    ]);
}

async function html(letter) {
    if (!letter.html) return h("p", {}, "The letter has no HTML.");
    const { Total: total, Warnings: warnings } = await resultOf(letter, "html");
    const share = (value, name) => h("span", { class: `share ${name}` }, `${Math.round(value)} % `);
    const meter = h(
        "div",
        { class: "meter", "aria-hidden": "true" },
        [
            ["good", total.Supported],
            ["wait", total.Partial],
        ].map(([name, value]) => {
            const bar = h("i", { class: name });
            bar.style.width = `${value}%`;
            return bar;
        }),
    );
    return [
        h(
            "p",
            {},
            share(total.Supported, "good"),
            "of clients show it as meant, ",
            share(total.Partial, "wait"),
            "in part, ",
            share(total.Unsupported, "bad"),
            "not.",
        ),
        meter,
        warnings.length ? findings(warnings.map(warning)) : h("p", { class: "quiet" }, "All clients support it."),
    ];
}

function warning(each) {
    const failing = each.Results.filter((client) => client.Support === "no").map((client) => client.Name);
    return [
        headed(
            h("strong", {}, userText(each.Title)),
            h("span", { class: "quiet" }, count(each.Score.Found, "time")),
            sign(each.Score.Unsupported > 30 ? "bad" : "wait", `${Math.round(each.Score.Supported)} % support it`),
            each.URL ? h("span", {}, address(each.URL, "caniemail.com")) : null,
        ),
        failing.length ? h("span", { class: "quiet" }, `Not in ${[...new Set(failing)].join(", ")}`) : null,
    ];
}

async function links(letter) {
    const { Links: found } = await resultOf(letter, "links", { follow: true });
    if (!found.length) return h("p", {}, "The letter has no links.");
    return findings(
        found.map((each) => [
            headed(
                sign(
                    each.StatusCode >= 200 && each.StatusCode < 400 ? "good" : "bad",
                    each.StatusCode ? String(each.StatusCode) : "no answer",
                ),
                address(each.URL),
            ),
            h("span", { class: "quiet" }, each.Status),
        ]),
    );
}

async function spam(letter) {
    const found = await resultOf(letter, "spam");
    if (found.Error) return h("p", {}, sign("bad", "no answer"), " ", userText(found.Error));
    const rules = findings(
        found.Rules.map((rule) => [
            headed(
                sign(rule.Score > 0 ? "bad" : rule.Score < 0 ? "good" : "wait", rule.Score.toFixed(1)),
                h("strong", {}, userText(rule.Name)),
            ),
            rule.Description ? h("span", { class: "quiet" }, userText(rule.Description)) : null,
        ]),
    );
    return [
        h(
            "p",
            {},
            sign(found.IsSpam ? "bad" : "good", found.IsSpam ? "spam" : "no spam"),
            ` ${found.Score.toFixed(1)} points`,
        ),
        rules,
    ];
}

/** List of findings, each with its lines. */
function findings(rows) {
    if (!rows.length) return null;
    return [
        h(
            "ul",
            { class: "findings" },
            rows.slice(0, MAX_SHOWN).map((row) => h("li", {}, row)),
        ),
        rows.length > MAX_SHOWN ? h("p", { class: "quiet" }, `and ${rows.length - MAX_SHOWN} more`) : null,
    ];
}

const headed = (...words) => h("div", { class: "row-head" }, words);
const sign = (name, words) => h("span", { class: `sign ${name}` }, words);

function address(text, words = text) {
    const target = safeLink(text);
    return target ? externalLink(target, words) : userText(text);
}
