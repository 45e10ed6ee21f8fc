/** The list of letters: live, searched, selected, as long as it is, and begun anywhere. */

import { get } from "./api.js";
import { button, fill, h } from "./dom.js";
import { count, number } from "./format.js";
import { letterRow, unknownRow } from "./letter-row.js";
import { gathered, on } from "./live.js";
import { showUnread } from "./navigation.js";
import { complain } from "./notices.js";
import { go, to } from "./routes.js";
import { searchBox } from "./searching.js";
import { Selection } from "./selection.js";
import { lesson } from "./teaching.js";
import { Windowed } from "./windowed.js";

const PAGE = 100; // letters that are asked for together
const AHEAD = 30; // rows beyond those in sight that shall be known
const MOST_ASKED = 3; // requests for pages at a time
const MOST_DROPPED = 50; // letters that are taken out one by one

/**
 * The list of one mailbox and query at a time. `letters` is as long as the whole list, the newest first, and has holes
 * where nobody has looked yet: a page is asked for when its rows come into sight.
 */
export class LetterList {
    constructor(element) {
        this.letters = [];
        this.indexes = new Map(); // from id to index
        this.total = 0;
        this.exact = true; // whether total is all
        this.place = {};
        this.cursor = -1;
        this.open = null; // the id of the letter that is shown beside
        this.turn = 0; // what was asked for in an earlier turn is of no use
        this.asked = new Map(); // pages that are on their way, by number
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
        this.refreshSoon = gathered(() => this.refresh(), 120);
        this.lookSoon = gathered(() => this.look(), 60);
        this.off = [
            on("letter", (letter) => this.arrived(letter)),
            on("changed", (change) => this.changed(change)),
            on("deleted", ({ ids }) => {
                this.selection.forget(ids);
                this.refreshSoon();
            }),
            on("again", () => this.refreshSoon()),
            on(
                "step",
                gathered(() => this.refreshSoon(), 300),
            ),
        ];
        this.scroller.addEventListener(
            "scroll",
            () => {
                if (this.isAtTop) this.tidings.hidden = true;
            },
            { passive: true },
        );
    }

    get isAtTop() {
        return this.scroller.scrollTop <= 20;
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

    // Pages.

    /** Asks for a page; gives back what came. */
    fetch(page) {
        return get("v1/letters", { ...this.place, limit: PAGE, start: page * PAGE });
    }

    /** The numbers of the pages that have the rows in sight, or at least the first one. */
    get seen() {
        const [first, last] = this.window.range;
        const found = [];
        for (let page = Math.floor(first / PAGE); page * PAGE < Math.max(1, last); page += 1) found.push(page);
        return found;
    }

    /** Asks for what is in sight again, and forgets the rest: positions may have changed. */
    async refresh() {
        const mine = (this.turn += 1);
        const pages = this.seen;
        try {
            const found = await Promise.all(pages.map((page) => this.fetch(page)));
            if (mine === this.turn) this.take(pages, found);
        } catch (error) {
            if (mine === this.turn && error.status !== 401) this.refused(error);
        }
    }

    /** Takes pages in, in place of all that was known. */
    take(pages, found) {
        const anchor = this.isAtTop ? null : this.anchor;
        const before = this.letters;
        const old = new Map();
        before.forEach((each) => old.set(each.id, each));
        const keptId = before[this.cursor]?.id;
        this.letters = [];
        for (const [at, page] of pages.entries()) this.put(page, found[at]);
        this.count(found.at(-1));
        this.reindex();
        if (keptId) this.cursor = this.indexes.get(keptId) ?? Math.min(this.cursor, this.letters.length - 1);
        if (this.open && this.cursor < 0) this.cursor = this.indexes.get(this.open) ?? -1;
        this.stayAt(anchor);
        this.window.render();
        this.letters.forEach((each, index) => {
            if (JSON.stringify(old.get(each.id)) !== JSON.stringify(each)) this.window.renew(each.id, index);
        });
        this.showBlank();
    }

    /** Puts the letters of a page into their places. */
    put(page, { letters, total, exact, next }) {
        const start = page * PAGE;
        // Of a search that finds very much the end is not known: where a page is full, there may be another.
        const least = start + letters.length + (next ? 1 : 0);
        this.letters.length = exact ? total : Math.max(this.letters.length, total, least);
        for (const [at, letter] of letters.entries()) if (start + at < this.letters.length) this.letters[start + at] = letter;
    }

    /** The first letter in sight that is known, and where. */
    get anchor() {
        const first = Math.floor(this.scroller.scrollTop / this.window.height);
        for (let index = first; index < first + PAGE && index < this.letters.length; index += 1)
            if (this.letters[index]) return { id: this.letters[index].id, index };
        return null;
    }

    /** Scrolls so that a letter is in sight where it was, wherever it is in the list now. */
    stayAt(anchor) {
        const moved = anchor ? (this.indexes.get(anchor.id) ?? anchor.index) - anchor.index : 0;
        if (!moved) return;
        this.window.shift(moved);
        if (moved > 0) this.tell(moved);
    }

    /** What Windowed asks for: rows from `first` up to `last` are in sight. */
    reached(first, last) {
        if (this.missing(first - AHEAD, last + AHEAD).length) this.lookSoon();
    }

    look() {
        const [first, last] = this.window.range;
        const wanted = this.missing(first - AHEAD, last + AHEAD).slice(0, MOST_ASKED - this.asked.size);
        for (const page of wanted) this.load(page).catch(complain);
    }

    /** The pages of these rows that have holes, and are not on their way. */
    missing(first, last) {
        const found = [];
        const end = Math.min(last, this.letters.length);
        for (let index = Math.max(0, first); index < end; index += 1) {
            const page = Math.floor(index / PAGE);
            if (this.letters[index] || this.asked.has(page)) continue;
            found.push(page);
            index = (page + 1) * PAGE - 1;
        }
        return found;
    }

    /** Has a page be known. */
    load(page) {
        const mine = this.turn;
        const coming = this.fetch(page).then(
            (found) => {
                this.asked.delete(page);
                if (mine !== this.turn) return;
                this.put(page, found);
                this.count(found);
                this.reindex();
                this.window.renewAll();
            },
            async (error) => {
                // Not again at once.
                await new Promise((resolve) => {
                    setTimeout(resolve, 2000);
                });
                this.asked.delete(page);
                throw error;
            },
        );
        this.asked.set(page, coming);
        return coming;
    }

    /** Has these rows be known. */
    async know(first, last) {
        for (const page of this.missing(first, last)) await this.load(page).catch(complain);
        await Promise.all(this.asked.values());
    }

    /** Takes letters out before the server's list is read again. */
    drop(ids) {
        const gone = ids.map((id) => this.indexes.get(id)).filter((index) => index !== undefined);
        if (ids.length > MOST_DROPPED || gone.length < ids.length) return;
        const unread = gone.filter((index) => this.letters[index].unread).length;
        for (const index of gone.sort((a, b) => b - a)) this.letters.splice(index, 1);
        this.count({ total: this.total - gone.length, unread: Math.max(0, this.unread - unread), exact: this.exact });
        this.reindex();
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
        this.admit ??= gathered(() => this.admitAll(), 60);
        return this.admit();
    }

    admitAll() {
        const came = this.waiting.filter((each) => !this.indexes.has(each.id)).sort((a, b) => b.number - a.number);
        this.waiting = [];
        if (!came.length) return;
        const newest = this.letters.length ? (this.letters[0]?.number ?? Infinity) : 0;
        if (came.length > PAGE || came.at(-1).number < newest) {
            this.refreshSoon();
            return;
        }
        // What is on its way is counted from another beginning.
        this.turn += 1;
        if (!this.isAtTop) this.tell(came.length);
        this.letters = came.concat(this.letters);
        if (this.cursor >= 0) this.cursor += came.length;
        this.reindex();
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

    reindex() {
        this.indexes = new Map();
        this.letters.forEach((letter, index) => this.indexes.set(letter.id, index));
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
