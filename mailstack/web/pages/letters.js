/** List of letters: live, with search and selection. */

import { button, fill, h } from "./dom.js";
import { count, number } from "./format.js";
import { LetterCache } from "./letter-cache.js";
import { letterRow, unknownRow } from "./letter-row.js";
import { debounced, on } from "./live.js";
import { loading } from "./live-view.js";
import { showUnread } from "./navigation.js";
import { showError } from "./notices.js";
import { go, hashOf } from "./routes.js";
import { searchBox } from "./search.js";
import { Selection } from "./selection.js";
import { hint } from "./hints.js";
import { VirtualList } from "./virtual-list.js";

const PREFETCH = 30; // rows beyond the visible ones
const MAX_REQUESTS = 3; // concurrent requests for pages
const MAX_INSERTED = 100; // letters that are inserted without a request
const MAX_REMOVED = 50; // letters that are removed without a request

/** List of one mailbox and query. */
export class LetterList {
    constructor(element) {
        this.cache = new LetterCache(
            (counts) => {
                this.count(counts);
                this.window.renewAll();
            },
            (counts) => {
                this.count(counts);
                this.window.render();
            },
        );
        this.total = 0;
        this.exact = true; // false: total is a minimum
        this.place = {};
        this.cursor = -1;
        this.open = null; // id of the open letter
        this.search = searchBox((query) => this.onSearch(query));
        this.head = h("div", { class: "head" });
        this.title = h("h1", { class: "offstage" }, "Letters");
        this.newLettersBanner = h("button", {
            type: "button",
            class: "new-letters",
            hidden: true,
            onclick: () => this.toTop(),
        });
        this.rows = h("ol", { class: "rows", "aria-label": "Letters" });
        this.blank = h("div", {});
        this.scroller = h("div", { class: "scroller", tabindex: "-1" }, this.blank, this.rows);
        this.element = fill(element, this.title, this.search.element, this.head, this.newLettersBanner, this.scroller);
        this.selection = new Selection(this, this.head);
        this.window = new VirtualList(this.scroller, this.rows, this);
        this.refreshSoon = debounced(() => this.refresh(), 120);
        this.loadMissingSoon = debounced(() => this.loadMissing(), 60);
        this.off = [
            on("letter", (letter) => this.onLetter(letter)),
            on("changed", (change) => this.onChanged(change)),
            on("deleted", ({ ids }) => {
                this.selection.deselect(ids);
                this.refreshSoon();
            }),
            on("missed", () => this.refreshSoon()),
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
        return this.cache.letters;
    }

    get indexes() {
        return this.cache.indexes;
    }

    get isAtTop() {
        return this.scroller.scrollTop <= 20;
    }

    /** Shows a mailbox and a query. */
    async show(place) {
        this.search.set(place.query ?? "");
        const same = this.place.mailbox === place.mailbox && this.place.query === place.query;
        this.place = this.cache.place = place;
        if (same && this.letters.length) return;
        this.cursor = -1;
        this.selection.clear();
        this.scroller.scrollTop = 0;
        this.newLettersBanner.hidden = true;
        if (!this.letters.length) this.setBlank("loading", loading);
        await this.refresh();
    }

    /** Loads the visible letters again, and discards the rest. */
    async refresh() {
        try {
            const found = await this.cache.fetchPages(...this.window.range);
            if (found) this.replace(found);
        } catch (error) {
            if (error.status !== 401) this.showRefusal(error);
        }
    }

    /** Replaces all letters with these pages. */
    replace(found) {
        const { scrollTop } = this.scroller;
        const first = Math.floor(scrollTop / this.window.height);
        const anchors = this.isAtTop ? [] : this.cache.entries(first, first + PREFETCH);
        const before = this.total;
        const currentId = this.at?.id;
        const old = new Map();
        this.letters.forEach((each) => old.set(each.id, each));
        this.cache.replace(found);
        this.count(this.cache.counts(found.at(-1)[1]));
        if (currentId) this.cursor = this.indexes.get(currentId) ?? Math.min(this.cursor, this.letters.length - 1);
        if (this.open && this.cursor < 0) this.cursor = this.indexes.get(this.open) ?? -1;
        this.restoreScroll(anchors, before);
        this.window.render();
        this.letters.forEach((each, index) => {
            if (JSON.stringify(old.get(each.id)) !== JSON.stringify(each)) this.window.renew(each.id, index);
        });
        this.showBlank();
    }

    /** Keeps the visible letters in sight. If none of them is loaded, they moved by the change of the total. */
    restoreScroll(anchors, before) {
        if (!anchors.length) return;
        const anchor = anchors.find(({ id }) => this.indexes.has(id));
        const moved = anchor ? this.indexes.get(anchor.id) - anchor.index : this.total - before;
        if (!moved) return;
        this.window.shift(moved);
        if (moved > 0) this.countNew(moved);
    }

    /** Removes letters at once, before the list is loaded again. */
    remove(ids) {
        const indexes = ids.map((id) => this.indexes.get(id)).filter((index) => index !== undefined);
        if (ids.length > MAX_REMOVED || indexes.length < ids.length) return;
        const unread = this.unread - indexes.filter((index) => this.letters[index].unread).length;
        this.cache.remove(indexes);
        this.count({ total: this.total - indexes.length, unread: Math.max(0, unread), exact: this.exact });
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

    /** Inserts a new letter; a filtered list is loaded again. */
    onLetter(letter) {
        if (this.place.query || this.place.mailbox || this.indexes.has(letter.id)) return this.refreshSoon();
        this.arrived ??= [];
        this.arrived.push(letter);
        this.insertSoon ??= debounced(() => this.insertAll(), 60);
        return this.insertSoon();
    }

    insertAll() {
        const came = this.arrived.filter((each) => !this.indexes.has(each.id)).sort((a, b) => b.number - a.number);
        this.arrived = [];
        if (!came.length) return;
        const newest = this.letters.length ? (this.letters[0]?.number ?? Infinity) : 0;
        if (came.length > MAX_INSERTED || came.at(-1).number < newest) {
            this.refreshSoon();
            return;
        }
        if (!this.isAtTop) this.countNew(came.length);
        this.cache.unshift(came);
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

    /** Updates changed letters; `letters` has the summaries of some or all `ids`. */
    onChanged({ letters = [], ids }) {
        for (const letter of letters) {
            const index = this.indexes.get(letter.id);
            if (index === undefined) continue;
            const before = this.letters[index];
            this.letters[index] = letter;
            const unread = this.unread + Number(letter.unread) - Number(before.unread);
            this.count({ total: this.total, unread, exact: this.exact });
            this.window.renew(letter.id, index);
        }
        // Letters that are not in the list may have been restored.
        if (!ids || letters.length < ids.length || letters.some((each) => !this.indexes.has(each.id)))
            this.refreshSoon();
    }

    countNew(added) {
        this.newLetters = (this.newLettersBanner.hidden ? 0 : (this.newLetters ?? 0)) + added;
        this.newLettersBanner.textContent = count(this.newLetters, "new letter");
        this.newLettersBanner.hidden = false;
    }

    toTop() {
        this.newLettersBanner.hidden = true;
        this.scroller.scrollTop = 0;
    }

    onSearch(query) {
        go(["letters"], { mailbox: this.place.mailbox, query }, { replace: true });
    }

    showRefusal(error) {
        this.cache.clear();
        this.window.renewAll();
        this.setBlank(`refused ${error.message}`, () =>
            h(
                "section",
                { class: "empty" },
                h("h2", {}, "No letters can be shown"),
                h("p", { role: "alert" }, error.message),
                button("Try again", () => this.refresh()),
            ),
        );
    }

    /** Shows a text if the list is empty. */
    showBlank() {
        const { mailbox, query } = this.place;
        if (this.letters.length) return this.setBlank("", () => null);
        if (!query) return this.setBlank(`empty ${mailbox ?? ""}`, () => hint(mailbox));
        return this.setBlank(`nothing found ${mailbox ?? ""}`, () =>
            h(
                "section",
                { class: "empty" },
                h("h2", {}, "Nothing found"),
                h("p", {}, "No letter matches the whole search. Addresses match whole; - before a word means not."),
                h("a", { class: "button", href: hashOf(["letters"], { mailbox }) }, "Show all letters"),
            ),
        );
    }

    /** Sets the text of an empty list, unless it is shown already: a selection in it stays. */
    setBlank(which, make) {
        if (which === this.blank.dataset.which) return;
        this.blank.dataset.which = which;
        fill(this.blank, make());
    }

    // Source of the VirtualList.

    get length() {
        return this.letters.length;
    }

    keyAt(index) {
        return this.letters[index]?.id ?? index;
    }

    createRow(index) {
        const letter = this.letters[index];
        if (!letter) return unknownRow();
        return letterRow(letter, {
            selected: this.selection.has(letter.id),
            current: index === this.cursor,
            place: this.place,
            onselect: (event) => this.selection.toggle(letter.id, event.shiftKey),
        });
    }

    onRange(first, last) {
        if (this.cache.missing(first - PREFETCH, last + PREFETCH).length) this.loadMissingSoon();
    }

    loadMissing() {
        const [first, last] = this.window.range;
        const pages = this.cache.missing(first - PREFETCH, last + PREFETCH);
        for (const page of pages.slice(0, MAX_REQUESTS - this.cache.pending.size))
            this.cache.load(page).catch(showError);
    }

    ensure(first, last) {
        return this.cache.ensure(first, last).catch(showError);
    }

    // The cursor.

    /** Moves the cursor by some rows; returns the letter under it. */
    async move(by) {
        if (!this.letters.length) return null;
        const target = this.cursor < 0 && by > 0 ? by - 1 : this.cursor + by;
        const index = Math.max(0, Math.min(this.letters.length - 1, target));
        await this.ensure(index, index + 1);
        if (this.letters[index]) this.point(index);
        return this.at;
    }

    /** Moves the cursor to a row. */
    point(index, { focus = true } = {}) {
        const before = this.cursor;
        this.cursor = index;
        for (const each of [before, index]) if (this.letters[each]) this.window.renew(this.letters[each].id, each);
        this.window.reveal(index);
        if (focus) this.window.rows.get(this.letters[index].id)?.querySelector("a")?.focus({ preventScroll: true });
    }

    /** Moves the cursor to a letter, if it is loaded. */
    pointAt(id) {
        const index = this.indexes.get(id);
        if (index !== undefined && index !== this.cursor) this.point(index, { focus: false });
    }

    /** Letter under the cursor. */
    get at() {
        return this.letters[this.cursor] ?? null;
    }

    /** Text such as "120 letters, 3 unread". */
    get summary() {
        const what = this.exact ? count(this.total, "letter") : `more than ${count(this.total, "letter")}`;
        return this.unread ? `${what}, ${number(this.unread)} unread` : what;
    }

    close() {
        for (const end of this.off) end();
        this.window.close();
    }
}
