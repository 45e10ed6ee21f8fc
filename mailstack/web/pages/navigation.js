/** The side of the window: pages, mailboxes with what is unread, and whether events arrive. */

import { get, remove } from "./api.js";
import { button, fill, h, userText } from "./dom.js";
import { clock, number, span } from "./format.js";
import { compose, showHelp } from "./help.js";
import { icon } from "./icons.js";
import { debounced, liveState, on } from "./live.js";
import { tried } from "./notices.js";
import { here, to } from "./routes.js";
import { tagged } from "./search.js";

const MOST_MAILBOXES = 8; // more are a click away
const MOST_TAGS = 6;
const LIVE_WORDS = { live: "Live", connecting: "Connecting", lost: "Reconnecting" };

const byId = (id) => document.getElementById(id);
let mailboxes = [];
let all = false;

/** Fills in what the document left open, and keeps it up to date. */
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
    const lookAtMail = debounced(() => refreshMailboxes().catch(() => {}), 800);
    for (const kind of ["letter", "changed", "deleted", "again"]) on(kind, lookAtMail);
    const lookAtQueue = debounced(() => refreshQueue().catch(() => {}), 800);
    for (const kind of ["step", "again"]) on(kind, lookAtQueue);
    const lookAtFaults = debounced(() => refreshFaults().catch(() => {}), 400);
    for (const kind of ["fault", "again"]) on(kind, lookAtFaults);
    showMe().catch(() => {});
    const lookAtClock = () => refreshClock().catch(() => {});
    on("again", lookAtClock);
    on("clock", setClock);
    lookAtClock();
    for (const first of [refreshMailboxes, refreshQueue, refreshFaults]) first().catch(() => {});
}

/** A server may have no faults, clock or zone, and not everybody may see its queue: what is not for one is not offered. */
function offer(paths, admin) {
    for (const link of document.querySelectorAll("#navigation [data-needs]")) {
        const access = paths[link.dataset.needs]?.get["x-access"];
        link.closest("li").hidden = access === undefined || (access === "admin" && !admin);
    }
    for (const title of document.querySelectorAll("#navigation h2"))
        title.hidden = !title.nextElementSibling.querySelector("li:not([hidden])");
}

/** Who is logged in, where one has to be, what there is for him, and the way out. */
async function showMe() {
    const [{ account, admin }, { paths }] = await Promise.all([get("v1/me"), get("v1/openapi.json")]);
    offer(paths, admin);
    byId("me").hidden = !account;
    if (account)
        fill(
            byId("me"),
            userText(account, { class: "address" }),
            button(
                "Log out",
                () =>
                    tried(async () => {
                        await remove("v1/login");
                        location.reload();
                    }),
                { class: "link" },
            ),
        );
}

/** Marks the page that is shown. */
export function showWhere(name, place) {
    for (const link of document.querySelectorAll("#navigation a[data-page]")) {
        const same = ["mailbox", "query"].every((each) => (link.dataset[each] ?? "") === (place.query[each] ?? ""));
        if (link.dataset.page === name && same) link.setAttribute("aria-current", "page");
        else link.removeAttribute("aria-current");
    }
}

/** What of the mail is unread, for all mailboxes together. */
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
    const shown = all ? mailboxes : mailboxes.slice(0, MOST_MAILBOXES);
    const rows = shown.map((each) =>
        h(
            "li",
            {},
            h(
                "a",
                {
                    href: to(["letters"], { mailbox: each.address }),
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
                h(
                    "button",
                    {
                        type: "button",
                        class: "bare more",
                        onclick: () => {
                            all = true;
                            listMailboxes();
                        },
                    },
                    `${mailboxes.length - shown.length} more`,
                ),
            ),
        );
    }
    fill(byId("mailboxes"), rows);
    const place = here();
    showWhere(place.path[0] ?? "letters", place);
}

function listTags(tags) {
    fill(
        byId("tags"),
        Object.entries(tags)
            .sort((a, b) => b[1] - a[1])
            .slice(0, MOST_TAGS)
            .map(([tag, letters]) =>
                h(
                    "li",
                    {},
                    h(
                        "a",
                        {
                            href: to(["letters"], { query: tagged(tag) }),
                            "data-page": "letters",
                            "data-query": tagged(tag),
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

/** Takes over the time of the environment, which may have travelled. */
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
