/** One letter: its face, what can be done with it, and the tabs that show it from every side. */

import { markUnread, releaseLetter, tagLetters } from "./actions.js";
import { get, part } from "./api.js";
import { attachedTo, attachmentsOf } from "./attachments.js";
import { copyButton } from "./copy.js";
import { button, fill, h, userText } from "./dom.js";
import { exact, outward, person, safeLink, size, stateSign, time } from "./format.js";
import { icon, iconButton } from "./icons.js";
import { debounced, on } from "./live.js";
import { showError, tried } from "./notices.js";
import { go, to } from "./routes.js";
import { tagged } from "./search.js";

/** The tabs: which letters have it, its name, and what shows it: `show(panel, letter)` returns what ends it. */
const TABS = {
    html: ["Letter", (letter) => Boolean(letter.html), async () => (await import("./letter-body.js")).showHtml],
    text: [
        "Text",
        (letter) => Boolean(letter.text) || !letter.html,
        async () => (await import("./letter-body.js")).showText,
    ],
    journey: ["Journey", () => true, async () => (await import("./journey.js")).showIn],
    headers: ["Headers", () => true, async () => (await import("./letter-parts.js")).showHeaders],
    parts: ["Parts", () => true, async () => (await import("./letter-parts.js")).showTree],
    source: ["Source", () => true, async () => (await import("./letter-parts.js")).showSource],
    checks: ["Checks", () => true, async () => (await import("./checks.js")).showChecks],
};
const BEGINNING = 32_768; // characters of a text that are shown at first: a browser takes seconds for millions
const MOST_PEOPLE = 3;
const MOST_LINKS = 100;

/** A letter in a pane, until it is closed. */
export class LetterView {
    constructor(pane, id, { tab, place, back, refuse, after }) {
        this.id = id;
        this.tab = tab;
        this.place = place;
        this.pane = pane;
        this.context = { back, refuse, after };
        this.endTab = () => {};
        this.closed = false;
        const reload = debounced(() => this.renew().catch(() => {}), 200);
        const copies = new Set([id]);
        this.off = [
            on("step", (step) => {
                if (copies.has(step.letter)) {
                    copies.add(step.remote_id);
                    reload();
                }
            }),
            on("changed", (change) => {
                if (change.id === id || change.ids?.includes(id) || change.letters?.some((each) => each.id === id))
                    reload();
            }),
            on("again", reload),
        ];
        this.load();
    }

    async load() {
        try {
            this.letter = await get(`v1/letters/${part(this.id)}`, { max_text: BEGINNING });
        } catch (error) {
            if (!this.closed) this.context.refuse(error);
            return;
        }
        if (this.closed) return;
        this.draw();
        if (this.letter.unread) markUnread({ ids: [this.id] }, false).catch(() => {});
    }

    /** Reads the letter again, for its tags and state; what is shown of it stays. */
    async renew() {
        const letter = await get(`v1/letters/${part(this.id)}`, { max_text: BEGINNING });
        if (this.closed || !this.letter) return;
        const { letter: before } = this;
        this.letter = letter;
        // Only what is another now: who has unfolded fifty names, or focused a button, keeps them.
        if (JSON.stringify([letter.state, letter.tags]) !== JSON.stringify([before.state, before.tags]))
            this.head.replaceWith((this.head = this.face()));
        if (letter.unread !== before.unread) this.marker.replaceWith((this.marker = this.markButton()));
    }

    draw() {
        const { letter } = this;
        this.head = this.face();
        this.panel = h("div", { class: "panel", role: "tabpanel", id: "panel", tabindex: "0" });
        this.tabs = h(
            "div",
            { class: "tabs", role: "tablist", "aria-label": "The letter as" },
            Object.entries(TABS)
                .filter(([, [, fits]]) => fits(letter))
                .map(([name, [words]]) =>
                    h(
                        "button",
                        {
                            type: "button",
                            role: "tab",
                            id: `tab-${name}`,
                            "aria-controls": "panel",
                            "data-tab": name,
                            onclick: () => go(["letter", this.id, name], this.place, { replace: true }),
                            onkeydown: (event) => this.arrow(event),
                        },
                        words,
                    ),
                ),
        );
        fill(
            this.pane,
            h(
                "div",
                { class: "letter" },
                this.bar(),
                this.head,
                warnings(letter),
                findings(letter),
                this.tabs,
                this.panel,
                attachmentsOf(letter),
            ),
        );
        this.pane.scrollTop = 0;
        this.turnTo(this.tab);
        if (!this.pane.contains(document.activeElement) && matchMedia("(max-width: 77.99rem)").matches)
            this.pane.focus({ preventScroll: true });
    }

    /** Shows a tab; without a name the one that suits the letter. */
    async turnTo(name) {
        if (!this.letter) {
            this.tab = name;
            return;
        }
        const { letter } = this;
        const fitting = TABS[name]?.[1](letter) ? name : letter.html ? "html" : "text";
        if (this.shown === fitting) return;
        this.shown = fitting;
        for (const tab of this.tabs.children) {
            const chosen = tab.dataset.tab === fitting;
            tab.setAttribute("aria-selected", String(chosen));
            tab.tabIndex = chosen ? 0 : -1;
            if (chosen) tab.scrollIntoView({ block: "nearest", inline: "nearest" });
        }
        this.panel.setAttribute("aria-labelledby", `tab-${fitting}`);
        this.endTab();
        this.endTab = () => {};
        try {
            const showTab = await TABS[fitting][2]();
            if (this.closed || this.shown !== fitting) return;
            fill(this.panel);
            this.endTab = showTab(this.panel, letter) ?? (() => {});
        } catch (error) {
            showError(error);
        }
    }

    arrow(event) {
        const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (!by) return;
        const tabs = [...this.tabs.children];
        const next = tabs[(tabs.indexOf(event.target) + by + tabs.length) % tabs.length];
        next.focus();
        next.click();
        event.preventDefault();
    }

    markButton() {
        const { unread } = this.letter;
        return iconButton(unread ? "read" : "unread", unread ? "Mark as read" : "Mark as unread", () =>
            tried(() => markUnread({ ids: [this.id] }, !unread)),
        );
    }

    bar() {
        const { letter } = this;
        this.marker = this.markButton();
        const which = { ids: [this.id] };
        return h(
            "div",
            { class: "tools", role: "toolbar", "aria-label": "This letter" },
            iconButton("back", "Back to the list (u)", this.context.back),
            h("span", { class: "gap" }),
            iconButton("reply", "Reply (r)", () => this.reply()),
            iconButton("send", "Release to a real address", () => releaseLetter(letter)),
            iconButton("tag", "Tags", () => tagLetters(which, this.letter.tags ?? [])),
            this.marker,
            h(
                "a",
                {
                    class: "button bare",
                    href: `v1/letters/${part(this.id)}/source`,
                    download: `${this.id}.eml`,
                    "aria-label": "Download the raw letter",
                    title: "Download the raw letter",
                },
                icon("download"),
            ),
            iconButton("trash", "Delete (#)", this.context.after),
        );
    }

    face() {
        const { letter } = this;
        return h(
            "header",
            {},
            h(
                "div",
                { class: "titles" },
                h("h1", { dir: "auto" }, letter.subject || "(no subject)"),
                stateSign(letter.state),
                (letter.tags ?? []).map((tag) =>
                    h("a", { class: "tag", dir: "auto", href: to(["letters"], { query: tagged(tag) }) }, tag),
                ),
            ),
            h(
                "dl",
                { class: "parties" },
                row("From", letter.from ? person(letter.from) : userText(letter.sender || "<>")),
                letter.from && letter.sender && letter.sender !== letter.from.address
                    ? row("Sent by", userText(letter.sender, { class: "address" }))
                    : null,
                people("To", letter.to),
                people("Cc", letter.cc),
                people("Bcc", letter.bcc),
                people("Reply to", letter.reply_to),
                people("For", onlyInEnvelope(letter)),
                attached(letter),
                row(
                    "Came",
                    h(
                        "span",
                        {},
                        time(letter.arrived, exact),
                        h("span", { class: "quiet" }, ` · ${size(letter.size)}`),
                    ),
                ),
            ),
        );
    }

    /** Opens an answer to it. */
    async reply() {
        if (!this.letter) return;
        const { openComposer, answerTo } = await import("./composer.js");
        openComposer(answerTo(this.letter)).catch(showError);
    }

    close() {
        this.closed = true;
        this.endTab();
        for (const end of this.off) end();
    }
}

/** Names what is attached, and leads there. */
function attached(letter) {
    const names = attachedTo(letter).map((each) => each.name || each.type);
    if (!names.length) return null;
    const down = () => document.querySelector(".attached")?.scrollIntoView({ block: "start" });
    return row(
        "Attached",
        h(
            "button",
            { type: "button", class: "link", dir: "auto", onclick: down },
            names.length > MOST_PEOPLE
                ? `${names.slice(0, MOST_PEOPLE).join(", ")} and ${names.length - MOST_PEOPLE} more`
                : names.join(", "),
        ),
    );
}

const row = (name, ...what) => [h("dt", {}, name), h("dd", {}, what)];

/** Those that the envelope names, and no field of the header does. */
function onlyInEnvelope(letter) {
    const named = new Set(
        [...(letter.to ?? []), ...(letter.cc ?? []), ...(letter.bcc ?? [])].map((each) => each.address?.toLowerCase()),
    );
    return (letter.recipients ?? []).filter((each) => !named.has(each.address.toLowerCase()));
}

function people(name, list) {
    const all = list ? [list].flat() : [];
    if (!all.length) return null;
    const place = h("dd", { class: "people" });
    const draw = (whole) =>
        fill(
            place,
            (whole ? all : all.slice(0, MOST_PEOPLE)).map(person),
            !whole && all.length > MOST_PEOPLE
                ? button(`and ${all.length - MOST_PEOPLE} more`, () => draw(true), { class: "link" })
                : null,
        );
    draw(all.length <= MOST_PEOPLE + 1);
    return [h("dt", {}, name), place];
}

/** What would not have been taken of it elsewhere. */
function warnings(letter) {
    if (!letter.warnings?.length) return null;
    return h(
        "div",
        { class: "finds", role: "note", "aria-label": "Warnings" },
        letter.warnings.map((each) => h("p", { class: "warned" }, icon("warn"), h("span", {}, each))),
    );
}

/** Codes and links of the letter, ready to be copied. */
function findings(letter) {
    const codes = letter.codes ?? [];
    const links = (letter.links ?? []).slice(0, MOST_LINKS);
    if (!codes.length && !links.length) return null;
    return h(
        "div",
        { class: "finds" },
        codes
            .slice(0, 4)
            .map((code) =>
                h(
                    "div",
                    { class: "find" },
                    h("span", { class: "label" }, "Code"),
                    h("span", { class: "digits" }, code),
                    copyButton(code, `the code ${code}`),
                ),
            ),
        links.length
            ? h(
                  "details",
                  { class: "links" },
                  h("summary", {}, links.length === 1 ? "1 link" : `${links.length} links`),
                  h(
                      "ul",
                      {},
                      links.map((link) =>
                          h(
                              "li",
                              {},
                              copyButton(link, "the link"),
                              safeLink(link) ? outward(safeLink(link), link) : userText(link),
                          ),
                      ),
                  ),
              )
            : null,
    );
}
