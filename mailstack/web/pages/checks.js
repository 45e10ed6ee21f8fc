/** The checks of a letter: what a receiving host thought of it, how its HTML fares, whether its links live. */

import { get, part } from "./api.js";
import { button, fill, h, own } from "./dom.js";
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
const METHODS = ["spf", "dkim", "dmarc", "arc"];
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

async function authentication(letter) {
    const { steps } = await get(`v1/journeys/${part(letter.id)}`);
    const asked = steps.flatMap((step) =>
        METHODS.filter((name) => step[name] !== undefined).map((name) => [name, step[name], step.office]),
    );
    const fields = letter.headers.filter(([name]) =>
        /^(authentication-results|received-spf|arc-authentication-results)$/i.test(name),
    );
    const signed = letter.headers.filter(([name]) => /^dkim-signature$/i.test(name)).length;
    if (!asked.length && !fields.length) {
        return h(
            "p",
            {},
            signed ? "The letter is signed with DKIM. " : "The letter is not signed with DKIM. ",
            "No office here asked about its sender: the dev environment's DNS knows of no signatures.",
        );
    }
    return findings([
        ...asked.map(([name, result, office]) => [
            sign(tone(resultOf(result)), resultOf(result)),
            h("strong", {}, name.toUpperCase()),
            h("span", { class: "quiet" }, `at ${office}`),
        ]),
        ...fields.map(([name, value]) => [h("strong", {}, name), own(value)]),
    ]);
}

const resultOf = (result) =>
    typeof result === "object" && result ? (result.result ?? JSON.stringify(result)) : String(result);
const tone = (result) => (/^pass/.test(result) ? "good" : /^(fail|permerror|reject)/.test(result) ? "bad" : "wait");

async function unsubscribing({ list_unsubscribe: found }) {
    if (!found)
        return h(
            "p",
            {},
            "The letter has no List-Unsubscribe. Who sends to many needs it: Gmail and Yahoo ask for one-click unsubscribing.",
        );
    return findings([
        [
            sign(found.trouble ? "bad" : "good", found.trouble ? "faulty" : "in order"),
            own(found.trouble || found.header),
        ],
        [sign(found.one_click ? "good" : "wait", found.one_click ? "yes" : "no"), "One click (List-Unsubscribe-Post)"],
        ...found.links.map((link) => [address(link)]),
    ]);
}

async function html(letter) {
    if (!letter.html) return h("p", {}, "The letter has no HTML.");
    const { Total: total, Warnings: warnings } = await get(`api/v1/message/${part(letter.id)}/html-check`);
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
        h(
            "div",
            { class: "row-head" },
            h("strong", {}, own(each.Title)),
            h("span", { class: "quiet" }, count(each.Score.Found, "time")),
            sign(each.Score.Unsupported > 30 ? "bad" : "wait", `${Math.round(each.Score.Supported)} % support it`),
            each.URL ? h("span", {}, address(each.URL, "caniemail.com")) : null,
        ),
        failing.length ? h("span", { class: "quiet" }, `Not in ${[...new Set(failing)].join(", ")}`) : null,
    ];
}

async function links(letter) {
    const { Links: found } = await get(`api/v1/message/${part(letter.id)}/link-check?follow=true`);
    if (!found.length) return h("p", {}, "The letter has no links.");
    return findings(
        found.map((each) => [
            h(
                "div",
                { class: "row-head" },
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
    const found = await get(`v1/letters/${part(letter.id)}/checks/spam`);
    if (found.Error) return h("p", {}, sign("bad", "no answer"), " ", own(found.Error));
    const rules = findings(
        found.Rules.map((rule) => [
            h(
                "div",
                { class: "row-head" },
                sign(rule.Score > 0 ? "bad" : rule.Score < 0 ? "good" : "wait", rule.Score.toFixed(1)),
                h("strong", {}, own(rule.Name)),
            ),
            rule.Description ? h("span", { class: "quiet" }, own(rule.Description)) : null,
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

const sign = (name, words) => h("span", { class: `sign ${name}` }, words);

function address(text, words = text) {
    const target = safeLink(text);
    return target ? outward(target, words) : own(text);
}
