/** Navigation bar: pages, mailboxes with unread letters, and the state of the connection. */

import { description, get, remove } from "./api.js";
import { button, fill, h, userText } from "./dom.js";
import { clock, number, span } from "./format.js";
import { compose, showHelp } from "./keyboard.js";
import { icon } from "./icons.js";
import { debounced, liveState, on } from "./live.js";
import { attempt } from "./notices.js";
import { here, hashOf } from "./routes.js";
import { tagQuery } from "./search.js";

const MAX_MAILBOXES = 8;
const MAX_TAGS = 6;
const LIVE_WORDS = { live: "Live", connecting: "Connecting", lost: "Reconnecting" };

const byId = (id) => document.getElementById(id);
let mailboxes = [];
let showAll = false;

/** Fills the navigation bar, and keeps it up to date. */
export function startNavigation() {
    for (const place of document.querySelectorAll("[data-icon]")) place.replaceChildren(icon(place.dataset.icon));
    for (const id of ["compose", "compose-small"]) byId(id).addEventListener("click", compose);
    byId("help").addEventListener("click", showHelp);
    byId("menu").addEventListener("click", () => drawer(!document.body.classList.contains("open")));
    byId("navigation").addEventListener("click", (event) => {
        if (event.target.closest("a")) drawer(false);
    });
    document.addEventListener("keydown", (event) => {
        if (event.key === "Escape") drawer(false);
    });
    byId("main").addEventListener("click", () => drawer(false), { capture: true });
    on("state", showLive);
    showLive();
    const refreshMail = debounced(() => refreshMailboxes().catch(() => {}), 800);
    for (const kind of ["letter", "changed", "deleted", "missed"]) on(kind, refreshMail);
    const refreshQueueSoon = debounced(() => refreshQueue().catch(() => {}), 800);
    for (const kind of ["step", "missed"]) on(kind, refreshQueueSoon);
    const refreshFaultsSoon = debounced(() => refreshFaults().catch(() => {}), 400);
    for (const kind of ["fault", "missed"]) on(kind, refreshFaultsSoon);
    showUser().catch(() => {});
    const refreshTime = () => refreshClock().catch(() => {});
    on("missed", refreshTime);
    on("clock", setClock);
    refreshTime();
    for (const first of [refreshMailboxes, refreshQueue, refreshFaults]) first().catch(() => {});
}

/** Hides links to pages that the server does not have, or that the user may not use. */
function showLinks(paths, admin) {
    for (const link of document.querySelectorAll("#navigation [data-needs]")) {
        const access = paths[link.dataset.needs]?.get["x-access"];
        link.closest("li").hidden = access === undefined || (access === "admin" && !admin);
    }
    for (const title of document.querySelectorAll("#navigation h2"))
        title.hidden = !title.nextElementSibling.querySelector("li:not([hidden])");
}

/** Shows the user with a button to log out, and the links that the user may use. */
async function showUser() {
    const [{ account, admin }, { paths }] = await Promise.all([get("v1/me"), description()]);
    showLinks(paths, admin);
    byId("me").hidden = !account;
    if (account)
        fill(
            byId("me"),
            userText(account, { class: "address" }),
            button(
                "Log out",
                () =>
                    attempt(async () => {
                        await remove("v1/login");
                        location.reload();
                    }),
                { class: "link" },
            ),
        );
}

/** Marks the link of the current page. */
export function markCurrent(name, place) {
    for (const link of document.querySelectorAll("#navigation a[data-page]")) {
        const same = ["mailbox", "query"].every((each) => (link.dataset[each] ?? "") === (place.query[each] ?? ""));
        if (link.dataset.page === name && same) link.setAttribute("aria-current", "page");
        else link.removeAttribute("aria-current");
    }
}

/** Shows the number of unread letters of all mailboxes. */
export function showUnread(unread) {
    byId("unread").textContent = unread ? number(unread) : "";
    document.title = unread ? `(${number(unread)}) mailstack` : "mailstack";
}

async function refreshMailboxes() {
    const [found, tags, newest] = await Promise.all([
        get("v1/mailboxes"),
        get("v1/tags"),
        get("v1/letters", { limit: 1 }),
    ]);
    showUnread(newest.unread);
    listTags(tags);
    mailboxes = found.mailboxes.filter((each) => each.letters > 0);
    listMailboxes();
}

function listMailboxes() {
    const shown = showAll ? mailboxes : mailboxes.slice(0, MAX_MAILBOXES);
    const rows = shown.map((each) =>
        h(
            "li",
            {},
            h(
                "a",
                {
                    href: hashOf(["letters"], { mailbox: each.address }),
                    "data-page": "letters",
                    "data-mailbox": each.address,
                    title: each.address,
                },
                icon("mailbox"),
                userText(each.address, { class: "name" }),
                each.unread ? h("span", { class: "badge" }, number(each.unread)) : null,
            ),
        ),
    );
    if (mailboxes.length > shown.length) {
        rows.push(
            h(
                "li",
                {},
                button(
                    `${mailboxes.length - shown.length} more`,
                    () => {
                        showAll = true;
                        listMailboxes();
                    },
                    { class: "bare more" },
                ),
            ),
        );
    }
    fill(byId("mailboxes"), rows);
    const place = here();
    markCurrent(place.path[0] ?? "letters", place);
}

function listTags(tags) {
    fill(
        byId("tags"),
        Object.entries(tags)
            .sort((a, b) => b[1] - a[1])
            .slice(0, MAX_TAGS)
            .map(([tag, letters]) =>
                h(
                    "li",
                    {},
                    h(
                        "a",
                        {
                            href: hashOf(["letters"], { query: tagQuery(tag) }),
                            "data-page": "letters",
                            "data-query": tagQuery(tag),
                        },
                        icon("tag"),
                        userText(tag, { class: "name" }),
                        h("span", { class: "count" }, number(letters)),
                    ),
                ),
            ),
    );
}

async function refreshQueue() {
    const { total } = await get("v1/queue", { limit: 1 });
    badge("waiting", total);
}

async function refreshFaults() {
    const found = await get("v1/faults");
    badge("faulty", (found.faults ?? []).length);
}

async function refreshClock() {
    setClock(await get("v1/clock"));
}

/** Sets the clock of the environment, which may be ahead. */
export function setClock({ now }) {
    clock.ahead = new Date(now) - Date.now();
    byId("ahead").textContent = clock.ahead > 5000 ? `+${span(clock.ahead)}` : "";
}

function badge(id, value) {
    byId(id).textContent = value ? number(value) : "";
}

function showLive() {
    const state = liveState();
    byId("live").textContent = LIVE_WORDS[state];
    byId("live").dataset.state = state;
}

function drawer(open) {
    document.body.classList.toggle("open", open);
    byId("menu").setAttribute("aria-expanded", String(open));
}
