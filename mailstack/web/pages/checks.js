/** The checks of a letter: how its HTML fares, whether its links live, and what a receiving host would think of it. */

import { get, part } from "./api.js";
import { h } from "./dom.js";
import { fill } from "./dom.js";
import { count, safeLink, outward } from "./format.js";
import { button } from "./dom.js";

/** Each check: its name, what it is, and whether it is made at once or only when asked for. */
const CHECKS = {
    authentication: ["Authentication", "SPF, DKIM, DMARC and ARC, as the receiving office found them.", true],
    html: ["HTML", "What mail clients make of its HTML and CSS.", true],
    links: ["Links", "Whether its links and pictures answer. This asks the hosts that they lead to.", false],
    spam: ["Spam", "What rspamd or SpamAssassin says, where there is one.", false],
    unsubscribe: ["Unsubscribing", "List-Unsubscribe, as large mailbox providers demand it (RFC 8058).", true],
};

export function showChecks(panel, letter) {
    let over = false;
    fill(panel, h("div", { class: "checks" }, Object.entries(CHECKS).map(([name, [title, about, atOnce]]) => {
        const body = h("div", {}, h("p", { class: "quiet" }, "…"));
        const run = async () => {
            fill(body, h("p", { class: "quiet", role: "status" }, "Looking"));
            try {
                const found = await get(`v1/letters/${part(letter.id)}/checks/${name}`);
                if (!over) fill(body, shown(found));
            } catch (error) {
                if (!over) fill(body, h("p", { class: "quiet" }, error.message));
            }
        };
        if (atOnce) run();
        else fill(body, button("Check", run));
        return h("section", { class: "check" }, h("header", {}, h("h2", {}, title), h("span", { class: "quiet" }, about)), body);
    })));
    return () => { over = true; };
}

function shown(found) {
    return h("pre", { class: "source" }, JSON.stringify(found, null, 2).slice(0, 20_000));
}
