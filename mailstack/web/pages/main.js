/** Application: shows the page of the current location. */

import { UNREACHABLE, login } from "./api.js";
import { button, fill, h } from "./dom.js";
import { startKeyboard } from "./keyboard.js";
import { connect, on } from "./live.js";
import { startNavigation, markCurrent } from "./navigation.js";
import { startNotifications } from "./notifications.js";
import { go, here } from "./routes.js";
import { startTheme } from "./theme-button.js";
import * as mail from "./mail.js";

/** Pages by first segment. `show(place, main)` of a page fills main and returns a function that closes the page. */
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
    frameworks: () => import("./frameworks.js"),
    login: () => import("./login.js"),
};

const PRELOAD_DELAY = 1500; // milliseconds

const main = document.getElementById("main");
let shown = null; // the page's module
let close = () => {};
let generation = 0;
let failed = false;
let moduleMissing = false; // browsers don't fetch a failed module again

async function show() {
    const place = here();
    const name = place.path[0] ?? "letters";
    if (!(name in PAGES)) return go(["letters"], {}, { replace: true });
    const request = (generation += 1);
    markCurrent(name, place);
    failed = false;
    try {
        const page = await PAGES[name]();
        if (request !== generation) return undefined;
        if (page === shown && page.move?.(place)) return undefined;
        close();
        close = () => {};
        shown = page;
        main.className = name;
        fill(main);
        close = page.show(place, main) ?? (() => {});
        if (document.activeElement === document.body) main.focus({ preventScroll: true });
    } catch (error) {
        if (request === generation) fail(error);
    }
    return undefined;
}

function fail(error) {
    close();
    close = () => {};
    shown = null;
    failed = true;
    main.className = "";
    const reason = isMissing(error) ? UNREACHABLE : error.message;
    moduleMissing = isMissing(error);
    fill(
        main,
        h(
            "section",
            { class: "empty" },
            h("h1", {}, "This page could not be shown"),
            h("p", {}, reason),
            button("Try again", () => (moduleMissing ? location.reload() : show()), { class: "primary" }),
        ),
    );
}

const isMissing = (error) => error instanceof TypeError && /import|module/i.test(error.message);

function showOffline(state) {
    const line = document.getElementById("offline");
    line.hidden = state !== "lost";
    line.textContent =
        state === "lost" ? "mailstack can't be reached. This page shows its last state and reconnects by itself." : "";
}

login.required = () => {
    if (here().path[0] !== "login") go(["login"], { from: location.hash });
};
addEventListener("hashchange", show);
on("state", showOffline);
on("missed", () => {
    if (failed) moduleMissing ? location.reload() : show();
});
startNavigation();
startKeyboard();
startTheme(document.getElementById("theme"));
startNotifications(document.getElementById("notify"));
show();
connect();
// Pages are preloaded, so that they work while the server is unreachable.
setTimeout(() => {
    for (const page of Object.values(PAGES)) page().catch(() => {});
}, PRELOAD_DELAY);
