/** The list of letters: live, searched, selected, as long as it is, and begun anywhere. */

import { button, fill, h } from "./dom.js";
import { count, number } from "./format.js";
import { LetterCache } from "./letter-cache.js";
import { letterRow, unknownRow } from "./letter-row.js";
import { debounced, on } from "./live.js";
import { loading } from "./live-view.js";
import { showUnread } from "./navigation.js";
import { showError } from "./notices.js";
import { go, to } from "./routes.js";
import { searchBox } from "./search.js";
import { Selection } from "./selection.js";
import { hint } from "./hints.js";
import { VirtualList } from "./virtual-list.js";

const AHEAD = 30; // rows beyond those in sight that shall be known
const MOST_ASKED = 3; // requests for pages at a time
const MOST_ADMITTED = 100; // letters that are put at the top without asking
const MOST_DROPPED = 50; // letters that are taken out one by one

/** The list of one mailbox and query at a time. */
export class LetterList {
    constructor(element) {
        this.known = new LetterCache((page) => {
            this.count(page);
            this.window.renewAll();
        });
        this.total = 0;
        this.exact = true; // whether total is all
        this.place = {};
        this.cursor = -1;
        this.open = null; // the id of the letter that is shown beside
        this.search = searchBox((query) => this.searched(query));
        this.head = h("div", { class: "head" });
        this.title = h("h1", { class: "offstage" }, "Letters");
        this.newLettersBanner = h("button", { type: "button", class: "new-letters", hidden: true, onclick: () => this.toTop() });
        this.rows = h("ol", { class: "rows", "aria-label": "Letters" });
        this.blank = h("div", {});
        this.scroller = h("div", { class: "scroller", tabindex: "-1" }, this.blank, this.rows);
        this.element = fill(element, this.title, this.search.element, this.head, this.newLettersBanner, this.scroller);
        this.selection = new Selection(this, this.head);
        this.window = new VirtualList(this.scroller, this.rows, this);
        this.refreshSoon = debounced(() => this.refresh(), 120);
        this.lookSoon = debounced(() => this.look(), 60);
        this.off = [
            on("letter", (letter) => this.arrived(letter)),
            on("changed", (change) => this.changed(change)),
            on("deleted", ({ ids }) => {
                this.selection.forget(ids);
                this.refreshSoon();
            }),
            on("again", () => this.refreshSoon()),
            on("clock", () => this.window.renewAll()),
            on(
                "step",
                debounced(() => this.refreshSoon(), 300),
            ),
        ];
        this.scroller.addEventListener(
            "scroll",
            () => {
                if (this.isAtTop) this.newLettersBanner.hidden = true;
            },
            { passive: true },
        );
    }

    get letters() {
        return this.known.letters;
    }

    get indexes() {
        return this.known.indexes;
    }

    get isAtTop() {
        return this.scroller.scrollTop <= 20;
    }

    /** Shows a mailbox and a query. */
    async show(place) {
        this.search.set(place.query ?? "");
        const same = this.place.mailbox === place.mailbox && this.place.query === place.query;
        this.place = this.known.place = place;
        if (same && this.letters.length) return;
        this.cursor = -1;
        this.selection.clear();
        this.scroller.scrollTop = 0;
        this.newLettersBanner.hidden = true;
        if (!this.letters.length) this.blankOut("loading", loading);
        await this.refresh();
    }

    /** Asks for what is in sight again, and forgets the rest. */
    async refresh() {
        try {
            const found = await this.known.ask(...this.window.range);
            if (found) this.take(found);
        } catch (error) {
            if (error.status !== 401) this.refused(error);
        }
    }

    /** Takes pages in, in place of all that was known. */
    take(found) {
        const { scrollTop } = this.scroller;
        const first = Math.floor(scrollTop / this.window.height);
        const anchors = this.isAtTop ? [] : this.known.someOf(first, first + AHEAD);
        const before = this.total;
        const keptId = this.at?.id;
        const old = new Map();
        this.letters.forEach((each) => old.set(each.id, each));
        this.known.take(found);
        this.count(found.at(-1)[1]);
        if (keptId) this.cursor = this.indexes.get(keptId) ?? Math.min(this.cursor, this.letters.length - 1);
        if (this.open && this.cursor < 0) this.cursor = this.indexes.get(this.open) ?? -1;
        this.stayAt(anchors, before);
        this.window.render();
        this.letters.forEach((each, index) => {
            if (JSON.stringify(old.get(each.id)) !== JSON.stringify(each)) this.window.renew(each.id, index);
        });
        this.showBlank();
    }

    /**
     * Scrolls so that what was in sight still is, wherever it is in the list now. Where nothing of it is known any more,
     * it was moved by as much as the list has become longer or shorter.
     */
    stayAt(anchors, before) {
        if (!anchors.length) return;
        const anchor = anchors.find(({ id }) => this.indexes.has(id));
        const moved = anchor ? this.indexes.get(anchor.id) - anchor.index : this.total - before;
        if (!moved) return;
        this.window.shift(moved);
        if (moved > 0) this.tell(moved);
    }

    /** Takes letters out before the server's list is read again. */
    drop(ids) {
        const gone = ids.map((id) => this.indexes.get(id)).filter((index) => index !== undefined);
        if (ids.length > MOST_DROPPED || gone.length < ids.length) return;
        const unread = this.unread - gone.filter((index) => this.letters[index].unread).length;
        this.known.remove(gone);
        this.count({ total: this.total - gone.length, unread: Math.max(0, unread), exact: this.exact });
        this.cursor = Math.min(this.cursor, this.letters.length - 1);
        this.window.renewAll();
        this.showBlank();
    }

    count({ total, unread, exact = true }) {
        this.total = total;
        this.unread = unread;
        this.exact = exact;
        if (!this.place.mailbox && !this.place.query) showUnread(unread);
        this.selection.show();
    }

    /** A letter came; in the whole inbox it can be put at the top as it is. */
    arrived(letter) {
        if (this.place.query || this.place.mailbox || this.indexes.has(letter.id)) return this.refreshSoon();
        this.waiting ??= [];
        this.waiting.push(letter);
        this.admit ??= debounced(() => this.admitAll(), 60);
        return this.admit();
    }

    admitAll() {
        const came = this.waiting.filter((each) => !this.indexes.has(each.id)).sort((a, b) => b.number - a.number);
        this.waiting = [];
        if (!came.length) return;
        const newest = this.letters.length ? (this.letters[0]?.number ?? Infinity) : 0;
        if (came.length > MOST_ADMITTED || came.at(-1).number < newest) {
            this.refreshSoon();
            return;
        }
        if (!this.isAtTop) this.tell(came.length);
        this.known.unshift(came);
        if (this.cursor >= 0) this.cursor += came.length;
        this.count({
            total: this.total + came.length,
            unread: this.unread + came.filter((each) => each.unread).length,
            exact: this.exact,
        });
        this.window.shift(came.length);
        this.window.render();
        this.showBlank();
    }

    /** Letters changed: summaries as they are now, or no more than ids. */
    changed({ letters = [], ids }) {
        for (const letter of letters) {
            const index = this.indexes.get(letter.id);
            if (index === undefined) continue;
            const before = this.letters[index];
            this.letters[index] = letter;
            const unread = this.unread + Number(letter.unread) - Number(before.unread);
            this.count({ total: this.total, unread, exact: this.exact });
            this.window.renew(letter.id, index);
        }
        // What is not known here may have been brought back.
        if (!ids || letters.length < ids.length || letters.some((each) => !this.indexes.has(each.id)))
            this.refreshSoon();
    }

    tell(came) {
        this.told = (this.newLettersBanner.hidden ? 0 : (this.told ?? 0)) + came;
        this.newLettersBanner.textContent = count(this.told, "new letter");
        this.newLettersBanner.hidden = false;
    }

    toTop() {
        this.newLettersBanner.hidden = true;
        this.scroller.scrollTop = 0;
    }

    searched(query) {
        go(["letters"], { mailbox: this.place.mailbox, query }, { replace: true });
    }

    refused(error) {
        this.known.clear();
        this.window.renewAll();
        this.blankOut(`refused ${error.message}`, () =>
            h(
                "section",
                { class: "empty" },
                h("h2", {}, "No letters can be shown"),
                h("p", { role: "alert" }, error.message),
                button("Try again", () => this.refresh()),
            ),
        );
    }

    /** What stands where there is no letter. */
    showBlank() {
        const { mailbox, query } = this.place;
        if (this.letters.length) return this.blankOut("", () => null);
        if (!query) return this.blankOut(`empty ${mailbox ?? ""}`, () => hint(mailbox));
        return this.blankOut(`nothing found ${mailbox ?? ""}`, () =>
            h(
                "section",
                { class: "empty" },
                h("h2", {}, "Nothing found"),
                h("p", {}, "No letter has all of that. Addresses match whole; - before a word means not."),
                h("a", { class: "button", href: to(["letters"], { mailbox }) }, "Show all letters"),
            ),
        );
    }

    /** Draws it, but not again where it stands already: who reads it, or copies from it, is not disturbed. */
    blankOut(which, make) {
        if (which === this.blank.dataset.which) return;
        this.blank.dataset.which = which;
        fill(this.blank, make());
    }

    // What VirtualList asks for.

    get length() {
        return this.letters.length;
    }

    keyAt(index) {
        return this.letters[index]?.id ?? index;
    }

    make(index) {
        const letter = this.letters[index];
        if (!letter) return unknownRow();
        return letterRow(letter, {
            selected: this.selection.has(letter.id),
            current: index === this.cursor,
            place: this.place,
            onselect: (event) => this.selection.toggle(letter.id, event.shiftKey),
        });
    }

    reached(first, last) {
        if (this.known.missing(first - AHEAD, last + AHEAD).length) this.lookSoon();
    }

    look() {
        const [first, last] = this.window.range;
        const wanted = this.known.missing(first - AHEAD, last + AHEAD);
        for (const page of wanted.slice(0, MOST_ASKED - this.known.asked.size)) this.known.load(page).catch(showError);
    }

    /** Has these rows be known. */
    know(first, last) {
        return this.known.know(first, last).catch(showError);
    }

    // The cursor.

    /** Moves the cursor by some rows; gives back the letter that it is at then. */
    async step(by) {
        if (!this.letters.length) return null;
        const wanted = this.cursor < 0 && by > 0 ? by - 1 : this.cursor + by;
        const index = Math.max(0, Math.min(this.letters.length - 1, wanted));
        await this.know(index, index + 1);
        if (this.letters[index]) this.point(index);
        return this.at;
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
        const what = this.exact ? count(this.total, "letter") : `more than ${count(this.total, "letter")}`;
        return this.unread ? `${what}, ${number(this.unread)} unread` : what;
    }

    close() {
        for (const end of this.off) end();
        this.window.close();
    }
}
