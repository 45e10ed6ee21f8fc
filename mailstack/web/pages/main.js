/** Starts the pages: shows the one that the location means, whenever it changes. */

import { UNREACHED, login } from "./api.js";
import { button, fill, h } from "./dom.js";
import { startKeyboard } from "./keyboard.js";
import { connect, on } from "./live.js";
import { startNavigation, showWhere } from "./navigation.js";
import { go, here } from "./routes.js";
import * as mail from "./mail.js";

/** The pages by their first segment. A page's `show(place, main)` fills main, and returns what ends it. */
const PAGES = {
    letters: async () => mail,
    letter: async () => mail,
    journey: () => import("./journey.js"),
    queue: () => import("./queue.js"),
    protocol: () => import("./protocol.js"),
    servers: () => import("./servers.js"),
    accounts: () => import("./accounts.js"),
    aliases: () => import("./aliases.js"),
    zone: () => import("./zone.js"),
    faults: () => import("./faults.js"),
    clock: () => import("./clock.js"),
    setup: () => import("./setup.js"),
    login: () => import("./login.js"),
};

const AT_LEISURE = 1500; // milliseconds

const main = document.getElementById("main");
let shown = null; // the page's module
let end = () => {};
let turn = 0;
let failed = false;
let moduleMissing = false; // a file of the page could not be had; browsers don't ask for it twice

async function show() {
    const place = here();
    const name = place.path[0] ?? "letters";
    if (!(name in PAGES)) return go(["letters"], {}, { replace: true });
    const mine = (turn += 1);
    showWhere(name, place);
    failed = false;
    try {
        const page = await PAGES[name]();
        if (mine !== turn) return undefined;
        if (page === shown && page.move?.(place)) return undefined;
        end();
        end = () => {};
        shown = page;
        main.className = name;
        fill(main);
        end = page.show(place, main) ?? (() => {});
        if (document.activeElement === document.body) main.focus({ preventScroll: true });
    } catch (error) {
        if (mine === turn) fail(error);
    }
    return undefined;
}

function fail(error) {
    end();
    end = () => {};
    shown = null;
    failed = true;
    main.className = "";
    const words = isMissing(error) ? UNREACHED : error.message;
    moduleMissing = isMissing(error);
    fill(
        main,
        h(
            "section",
            { class: "empty" },
            h("h1", {}, "This page could not be shown"),
            h("p", {}, words),
            button("Try again", () => (moduleMissing ? location.reload() : show()), { class: "primary" }),
        ),
    );
}

const isMissing = (error) => error instanceof TypeError && /import|module/i.test(error.message);

function showOffline(state) {
    const line = document.getElementById("offline");
    line.hidden = state !== "lost";
    line.textContent =
        state === "lost" ? "mailstack can't be reached. This page shows what it knew, and tries again by itself." : "";
}

login.wanted = () => {
    if (here().path[0] !== "login") go(["login"], { from: location.hash });
};
addEventListener("hashchange", show);
on("state", showOffline);
on("again", () => {
    if (failed) moduleMissing ? location.reload() : show();
});
startNavigation();
startKeyboard();
show();
connect();
// Once there is nothing else to do, every page is fetched, and there even when the server is not.
setTimeout(() => {
    for (const page of Object.values(PAGES)) page().catch(() => {});
}, AT_LEISURE);
