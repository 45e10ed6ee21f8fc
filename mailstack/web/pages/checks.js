/** The checks of a letter: what a receiving host thought of it, how its HTML fares, whether its links live. */

import { get, part } from "./api.js";
import { button, fill, h, userText } from "./dom.js";
import { count, outward, safeLink } from "./format.js";

/** Each check: its name, what it looks at, whether it is made at once or when asked for, and what it finds. */
const CHECKS = [
    ["Authentication", "What SPF, DKIM, DMARC and ARC said when the letter came.", true, authentication],
    [
        "Unsubscribing",
        "List-Unsubscribe, as large mailbox providers want it (RFC 2369, RFC 8058).",
        true,
        unsubscribing,
    ],
    ["HTML", "What mail clients make of its HTML and CSS, by caniemail.com.", true, html],
    ["Spam", "What the spam filter of this environment says of it. Filters may ask lists on the Internet.", false, spam],
    ["Links", "Whether they answer. In the dev environment only this machine is asked.", false, links],
];
const MOST = 60; // findings that are shown at once

export function showChecks(panel, letter) {
    let over = false;
    fill(
        panel,
        h(
            "div",
            { class: "checks" },
            CHECKS.map(([title, about, atOnce, check]) => {
                const body = h("div", { class: "checked" });
                const run = async () => {
                    fill(body, h("p", { class: "quiet", role: "status" }, "Looking"));
                    const found = await check(letter).catch((error) => h("p", { class: "quiet" }, error.message));
                    if (!over) fill(body, found);
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
        over = true;
    };
}

/** What the servers wrote into Authentication-Results, the newest first. */
async function authentication(letter) {
    const { results } = await checked(letter, "authentication");
    const found = results.flatMap(({ server, methods }) => methods.map((each) => ({ server, ...each })));
    if (!found.length) {
        const signed = letter.headers.some(([name]) => /^dkim-signature$/i.test(name));
        return h(
            "p",
            {},
            `The letter is ${signed ? "" : "not "}signed with DKIM, and no server has written down what it found out about its sender.`,
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

/** What the API's check of this name found. */
const checked = (letter, name, query) => get(`v1/letters/${part(letter.id)}/checks/${name}`, query);

const tone = (result) => (/^pass/.test(result) ? "good" : /^(fail|permerror|reject)/.test(result) ? "bad" : "wait");

async function unsubscribing({ list_unsubscribe: found }) {
    if (!found)
        return h(
            "p",
            {},
            "The letter has no List-Unsubscribe. Who sends to many needs it: Gmail and Yahoo ask for one-click unsubscribing.",
        );
    return findings([
        found.faults.length
            ? headed(sign("bad", "faulty"), found.faults.map((each) => userText(each)))
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
    const { Total: total, Warnings: warnings } = await checked(letter, "html");
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
        warnings.length
            ? findings(warnings.map(warning))
            : h("p", { class: "quiet" }, "Nothing in it is a problem anywhere."),
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
    const { Links: found } = await checked(letter, "links", { follow: true });
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
    const found = await checked(letter, "spam");
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

/** A list of findings; each is what stands in its lines. */
function findings(rows) {
    if (!rows.length) return null;
    return [
        h(
            "ul",
            { class: "findings" },
            rows.slice(0, MOST).map((row) => h("li", {}, row)),
        ),
        rows.length > MOST ? h("p", { class: "quiet" }, `and ${rows.length - MOST} more`) : null,
    ];
}

const headed = (...words) => h("div", { class: "row-head" }, words);
const sign = (name, words) => h("span", { class: `sign ${name}` }, words);

function address(text, words = text) {
    const target = safeLink(text);
    return target ? outward(target, words) : userText(text);
}
