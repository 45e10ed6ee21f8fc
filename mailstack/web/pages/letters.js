/** The list of letters: live, searched, selected, and endless. */

import { get } from "./api.js";
import { button, fill, h } from "./dom.js";
import { count, number } from "./format.js";
import { letterRow } from "./letter-row.js";
import { gathered, on } from "./live.js";
import { showUnread } from "./navigation.js";
import { complain } from "./notices.js";
import { go, to } from "./routes.js";
import { searchBox } from "./searching.js";
import { Selection } from "./selection.js";
import { lesson } from "./teaching.js";
import { Windowed } from "./windowed.js";

const FIRST = 50; // letters of the first page
const PAGE = 200; // and of those that follow
const AHEAD = 60; // rows before the end at which the next page is asked for

/** The list of one mailbox and query at a time. */
export class LetterList {
    constructor(element) {
        this.letters = []; // the newest first
        this.indexes = new Map(); // from id to index
        this.total = 0;
        this.next = null; // where the next page begins
        this.place = {};
        this.cursor = -1;
        this.open = null; // the id of the letter that is shown beside
        this.turn = 0;
        this.loading = false;
        this.search = searchBox((query) => this.searched(query));
        this.head = h("div", { class: "head" });
        this.title = h("h1", { class: "offstage" }, "Letters");
        this.tidings = h("button", { type: "button", class: "tidings", hidden: true, onclick: () => this.toTop() });
        this.rows = h("ol", { class: "rows", "aria-label": "Letters" });
        this.blank = h("div", {});
        this.scroller = h("div", { class: "scroller", tabindex: "-1" }, this.blank, this.rows);
        this.element = fill(element, this.title, this.search.element, this.head, this.tidings, this.scroller);
        this.selection = new Selection(this, this.head);
        this.window = new Windowed(this.scroller, this.rows, this);
        this.refreshSoon = gathered(() => this.refresh().catch(() => {}), 120);
        this.off = [
            on("letter", (letter) => this.arrived(letter)),
            on("changed", (change) => this.changed(change)),
            on("deleted", () => this.refreshSoon()),
            on("again", () => this.refreshSoon()),
            on(
                "step",
                gathered(() => this.refreshSoon(), 300),
            ),
        ];
        this.scroller.addEventListener(
            "scroll",
            () => {
                if (this.scroller.scrollTop < 20) this.tidings.hidden = true;
            },
            { passive: true },
        );
    }

    /** Shows a mailbox and a query. */
    async show(place) {
        this.search.set(place.query ?? "");
        const same = this.place.mailbox === place.mailbox && this.place.query === place.query;
        this.place = place;
        if (same && this.letters.length) return;
        this.cursor = -1;
        this.selection.clear();
        this.scroller.scrollTop = 0;
        this.tidings.hidden = true;
        await this.refresh();
    }

    /** Asks for the newest letters again, and joins them with those that are known. */
    async refresh() {
        const mine = (this.turn += 1);
        const limit = Math.max(FIRST, Math.min(this.letters.length, PAGE));
        try {
            const page = await get("v1/letters", { ...this.place, limit });
            if (mine !== this.turn) return;
            this.take(page.letters, page);
        } catch (error) {
            if (mine === this.turn && error.status !== 401) this.refused(error);
        }
    }

    /** Takes the newest page in. */
    take(letters, page) {
        const newest = this.letters[0]?.number ?? 0;
        const keptId = this.letters[this.cursor]?.id;
        const came = this.scroller.scrollTop > 20 ? letters.filter((each) => each.number > newest).length : 0;
        // What lies beyond the page is kept only where the page reaches into it, else it might leave a gap.
        const last = letters.at(-1)?.number ?? 0;
        const known =
            page.next && this.letters.some((each) => each.number === last)
                ? this.letters.filter((each) => each.number < last)
                : [];
        const before = new Map(this.letters.map((each) => [each.id, JSON.stringify(each)]));
        this.letters = [...letters, ...known];
        this.next = known.length ? this.next : page.next;
        this.count(page);
        this.reindex();
        if (keptId) this.cursor = this.indexes.get(keptId) ?? Math.min(this.cursor, this.letters.length - 1);
        this.selection.keep((id) => this.indexes.has(id));
        if (this.open && this.cursor < 0) this.cursor = this.indexes.get(this.open) ?? -1;
        if (came && newest) {
            this.window.shift(came);
            this.tell(came);
        }
        this.window.render();
        for (const [index, each] of letters.entries())
            if (before.get(each.id) !== JSON.stringify(each)) this.window.renew(each.id, index);
        this.showBlank();
    }

    /** Takes letters out before the server's list is read again. */
    drop(ids) {
        const gone = new Set(ids);
        const left = this.letters.filter((each) => !gone.has(each.id));
        const unread = this.letters.filter((each) => gone.has(each.id) && each.unread).length;
        this.count({
            total: this.total - (this.letters.length - left.length),
            unread: Math.max(0, this.unread - unread),
        });
        this.letters = left;
        this.reindex();
        this.cursor = Math.min(this.cursor, left.length - 1);
        this.window.renewAll();
        this.showBlank();
    }

    count({ total, unread }) {
        this.total = total;
        this.unread = unread;
        if (!this.place.mailbox && !this.place.query) showUnread(unread);
        this.selection.show();
    }

    /** A letter came; in the whole inbox it can be put at the top as it is. */
    arrived(letter) {
        if (this.place.query || this.place.mailbox || this.indexes.has(letter.id)) return this.refreshSoon();
        this.waiting ??= [];
        this.waiting.push(letter);
        this.admit ??= gathered(() => this.admitAll(), 60);
        return this.admit();
    }

    admitAll() {
        const came = this.waiting.filter((each) => !this.indexes.has(each.id)).sort((a, b) => b.number - a.number);
        this.waiting = [];
        if (!came.length) return;
        if (came.length > PAGE || (this.letters.length && came.at(-1).number < this.letters[0].number)) {
            this.refreshSoon();
            return;
        }
        if (this.scroller.scrollTop > 20) this.tell(came.length);
        this.letters = [...came, ...this.letters];
        if (this.cursor >= 0) this.cursor += came.length;
        this.reindex();
        this.count({
            total: this.total + came.length,
            unread: this.unread + came.filter((each) => each.unread).length,
        });
        this.window.shift(came.length);
        this.window.render();
        this.showBlank();
    }

    /** Letters changed: summaries as they are now, or no more than ids. */
    changed(change) {
        const summaries = change.letters ?? (change.id ? [change] : []);
        for (const letter of summaries) {
            const index = this.indexes.get(letter.id);
            if (index === undefined || !("subject" in letter)) continue;
            const before = this.letters[index];
            this.letters[index] = letter;
            if (before.unread !== letter.unread)
                this.count({ total: this.total, unread: this.unread + (letter.unread ? 1 : -1) });
            this.window.renew(letter.id, index);
        }
        if (!summaries.length || change.ids === null || summaries.some((each) => !("subject" in each)))
            this.refreshSoon();
    }

    tell(came) {
        this.told = (this.tidings.hidden ? 0 : (this.told ?? 0)) + came;
        this.tidings.textContent = count(this.told, "new letter");
        this.tidings.hidden = false;
    }

    toTop() {
        this.tidings.hidden = true;
        this.scroller.scrollTop = 0;
    }

    searched(query) {
        go(["letters"], { mailbox: this.place.mailbox, query }, { replace: true });
    }

    refused(error) {
        this.letters = [];
        this.reindex();
        this.window.renewAll();
        fill(
            this.blank,
            h(
                "section",
                { class: "empty" },
                h("h2", {}, "No letters can be shown"),
                h("p", {}, error.message),
                button("Try again", () => this.refresh()),
            ),
        );
    }

    showBlank() {
        if (this.letters.length) return fill(this.blank);
        if (!this.place.query) return this.blank.firstChild ? undefined : fill(this.blank, lesson(this.place.mailbox));
        return fill(
            this.blank,
            h(
                "section",
                { class: "empty" },
                h("h2", {}, "Nothing found"),
                h("p", {}, "No letter has all of that. Addresses match whole; - before a word means not."),
                h("a", { class: "button", href: to(["letters"], { mailbox: this.place.mailbox }) }, "Show all letters"),
            ),
        );
    }

    // What Windowed asks for.

    get length() {
        return this.letters.length;
    }

    keyAt(index) {
        return this.letters[index].id;
    }

    make(index) {
        const letter = this.letters[index];
        return letterRow(letter, {
            selected: this.selection.has(letter.id),
            current: index === this.cursor,
            place: this.place,
            onselect: (event) => this.selection.toggle(letter.id, event.shiftKey),
        });
    }

    reached(last) {
        if (this.next && !this.loading && last > this.letters.length - AHEAD) this.more();
    }

    async more() {
        this.loading = true;
        const { place, next } = this;
        try {
            const page = await get("v1/letters", { ...place, limit: PAGE, before: next });
            if (place !== this.place || next !== this.next) return;
            this.letters.push(...page.letters.filter((each) => !this.indexes.has(each.id)));
            this.next = page.next;
            this.count(page);
            this.reindex();
        } catch (error) {
            complain(error);
            await new Promise((resolve) => {
                setTimeout(resolve, 2000);
            });
        } finally {
            this.loading = false;
        }
        this.window.render();
    }

    reindex() {
        this.indexes = new Map(this.letters.map((letter, index) => [letter.id, index]));
    }

    // The cursor.

    /** Moves the cursor by some rows; gives back the letter that it is at then. */
    step(by) {
        if (!this.letters.length) return null;
        this.point(
            Math.max(0, Math.min(this.letters.length - 1, this.cursor < 0 && by > 0 ? by - 1 : this.cursor + by)),
        );
        return this.letters[this.cursor];
    }

    /** Puts the cursor on a row. */
    point(index, { focus = true } = {}) {
        const before = this.cursor;
        this.cursor = index;
        for (const each of [before, index]) if (this.letters[each]) this.window.renew(this.letters[each].id, each);
        this.window.reveal(index);
        if (focus) this.window.rows.get(this.letters[index].id)?.querySelector("a")?.focus({ preventScroll: true });
    }

    /** Puts the cursor on a letter, if it is among those that are known. */
    pointAt(id) {
        const index = this.indexes.get(id);
        if (index !== undefined && index !== this.cursor) this.point(index, { focus: false });
    }

    /** The letter under the cursor. */
    get at() {
        return this.letters[this.cursor] ?? null;
    }

    /** "120 letters, 3 unread", for the head. */
    get words() {
        const what = count(this.total, "letter");
        return this.unread ? `${what}, ${number(this.unread)} unread` : what;
    }

    close() {
        for (const end of this.off) end();
        this.window.close();
    }
}
