/** Open letter: header, toolbar and tabs. */

import { markUnread, releaseLetter, tagLetters } from "./actions.js";
import { get, segment } from "./api.js";
import { attachedParts, attachmentsOf } from "./attachments.js";
import { copyButton } from "./copy.js";
import { button, fill, h, userText } from "./dom.js";
import { exact, externalLink, person, safeLink, size, stateSign, time } from "./format.js";
import { icon, iconButton } from "./icons.js";
import { foldersOf, headOf, markButtons } from "./letter-marks.js";
import { invitationsOf } from "./invitations.js";
import { debounced, on } from "./live.js";
import { showError } from "./notices.js";
import { go, hashOf } from "./routes.js";
import { screenshotButton } from "./screenshot.js";
import { tagQuery } from "./search.js";

/** Tabs: name, condition, and import of `show(panel, letter)`, which returns a function that closes the tab. */
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
    code: ["HTML", (letter) => Boolean(letter.html), async () => (await import("./html-source.js")).showHtmlSource],
    source: ["Source", () => true, async () => (await import("./letter-parts.js")).showSource],
    checks: ["Checks", () => true, async () => (await import("./checks.js")).showChecks],
};
const MAX_TEXT = 32_768; // characters of the text at first: a browser needs seconds for millions
const MAX_PEOPLE = 3;
const MAX_LINKS = 100;

/** Letter in a pane, until `close`. */
export class LetterView {
    constructor(pane, id, { tab, place, back, refuse, remove }) {
        this.id = id;
        this.tab = tab;
        this.place = place;
        this.pane = pane;
        this.context = { back, refuse, remove };
        this.endTab = () => {};
        this.closed = false;
        const reload = debounced(() => this.refresh().catch(() => {}), 200);
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
            on("missed", reload),
        ];
        this.load();
    }

    async load() {
        try {
            this.letter = await get(`v1/letters/${segment(this.id)}`, { max_text: MAX_TEXT });
        } catch (error) {
            if (!this.closed) this.context.refuse(error);
            return;
        }
        if (this.closed) return;
        this.draw();
        if (this.letter.unread) markUnread({ ids: [this.id] }, false).catch(() => {});
    }

    /** Loads tags and state of the letter again. */
    async refresh() {
        const letter = await get(`v1/letters/${segment(this.id)}`, { max_text: MAX_TEXT });
        if (this.closed || !this.letter) return;
        const { letter: before } = this;
        this.letter = letter;
        // Only changed parts, so that the focus and unfolded lists stay.
        if (JSON.stringify(headOf(letter)) !== JSON.stringify(headOf(before)))
            this.head.replaceWith((this.head = this.header()));
        if (letter.unread !== before.unread || letter.flagged !== before.flagged)
            this.marker.replaceWith((this.marker = markButtons(letter)));
    }

    draw() {
        const { letter } = this;
        this.head = this.header();
        this.panel = h("div", { class: "panel", role: "tabpanel", id: "panel", tabindex: "0" });
        this.tabs = h(
            "div",
            { class: "tabs", role: "tablist", "aria-label": "The letter as" },
            Object.entries(TABS)
                .filter(([, [, fits]]) => fits(letter))
                .map(([name, [words]]) =>
                    button(words, () => go(["letter", this.id, name], this.place, { replace: true }), {
                        role: "tab",
                        id: `tab-${name}`,
                        "aria-controls": "panel",
                        "data-tab": name,
                        onkeydown: (event) => this.onArrow(event),
                    }),
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
                invitationsOf(letter),
                findings(letter),
                this.tabs,
                this.panel,
                attachmentsOf(letter),
            ),
        );
        this.pane.scrollTop = 0;
        this.selectTab(this.tab);
        if (!this.pane.contains(document.activeElement) && matchMedia("(max-width: 77.99rem)").matches)
            this.pane.focus({ preventScroll: true });
    }

    /** Shows a tab: HTML or text by default. */
    async selectTab(name) {
        if (!this.letter) {
            this.tab = name;
            return;
        }
        const { letter } = this;
        const selected = TABS[name]?.[1](letter) ? name : letter.html ? "html" : "text";
        if (this.shown === selected) return;
        this.shown = selected;
        for (const tab of this.tabs.children) {
            const chosen = tab.dataset.tab === selected;
            tab.setAttribute("aria-selected", String(chosen));
            tab.tabIndex = chosen ? 0 : -1;
            if (chosen) tab.scrollIntoView({ block: "nearest", inline: "nearest" });
        }
        this.panel.setAttribute("aria-labelledby", `tab-${selected}`);
        this.endTab();
        this.endTab = () => {};
        try {
            const showTab = await TABS[selected][2]();
            if (this.closed || this.shown !== selected) return;
            fill(this.panel);
            this.endTab = showTab(this.panel, letter) ?? (() => {});
        } catch (error) {
            showError(error);
        }
    }

    onArrow(event) {
        const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (!by) return;
        const tabs = [...this.tabs.children];
        const next = tabs[(tabs.indexOf(event.target) + by + tabs.length) % tabs.length];
        next.focus();
        next.click();
        event.preventDefault();
    }

    bar() {
        const { letter } = this;
        this.marker = markButtons(letter);
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
                    href: `v1/letters/${segment(this.id)}/source`,
                    download: `${this.id}.eml`,
                    "aria-label": "Download the raw letter",
                    title: "Download the raw letter",
                },
                icon("download"),
            ),
            screenshotButton(this.id),
            iconButton("trash", "Delete (#)", this.context.remove),
        );
    }

    header() {
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
                    h("a", { class: "tag", dir: "auto", href: hashOf(["letters"], { query: tagQuery(tag) }) }, tag),
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
                people("For", hiddenRecipients(letter)),
                letter.folders?.length ? row("In", userText(foldersOf(letter))) : null,
                attached(letter),
                row(
                    "Arrived",
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

    async reply() {
        if (!this.letter) return;
        const { openComposer, replyDraft } = await import("./composer.js");
        openComposer(replyDraft(this.letter)).catch(showError);
    }

    close() {
        this.closed = true;
        this.endTab();
        for (const end of this.off) end();
    }
}

/** Names of the attachments, as a button that scrolls to them. */
function attached(letter) {
    const names = attachedParts(letter).map((each) => each.name || each.type);
    if (!names.length) return null;
    const down = () => document.querySelector(".attached")?.scrollIntoView({ block: "start" });
    return row(
        "Attached",
        button(
            names.length > MAX_PEOPLE
                ? `${names.slice(0, MAX_PEOPLE).join(", ")} and ${names.length - MAX_PEOPLE} more`
                : names.join(", "),
            down,
            { class: "link", dir: "auto" },
        ),
    );
}

const row = (name, ...what) => [h("dt", {}, name), h("dd", {}, what)];

/** Recipients that are not in the header. */
function hiddenRecipients(letter) {
    const named = new Set(
        [...(letter.to ?? []), ...(letter.cc ?? []), ...(letter.bcc ?? [])].map((each) => each.address?.toLowerCase()),
    );
    return (letter.recipients ?? []).filter((each) => !named.has(each.address.toLowerCase()));
}

function people(name, list) {
    const all = list ? [list].flat() : [];
    if (!all.length) return null;
    const place = h("dd", { class: "people" });
    const draw = (showAll) =>
        fill(
            place,
            (showAll ? all : all.slice(0, MAX_PEOPLE)).map(person),
            !showAll && all.length > MAX_PEOPLE
                ? button(`and ${all.length - MAX_PEOPLE} more`, () => draw(true), { class: "link" })
                : null,
        );
    draw(all.length <= MAX_PEOPLE + 1);
    return [h("dt", {}, name), place];
}

function warnings(letter) {
    if (!letter.warnings?.length) return null;
    return h(
        "div",
        { class: "finds", role: "note", "aria-label": "Warnings" },
        letter.warnings.map((each) => h("p", { class: "warned" }, icon("warn"), h("span", {}, each))),
    );
}

/** Codes and links of the letter, with copy buttons. */
function findings(letter) {
    const codes = letter.codes ?? [];
    const links = (letter.links ?? []).slice(0, MAX_LINKS);
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
                              safeLink(link) ? externalLink(safeLink(link), link) : userText(link),
                          ),
                      ),
                  ),
              )
            : null,
    );
}
