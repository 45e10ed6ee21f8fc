/** Cache of a list of letters: an array of the whole list, with holes for letters that are not loaded. */

import { get } from "./api.js";

const PAGE = 100; // letters of one request

/** Letters of a mailbox and a query, newest first. */
export class LetterCache {
    /** `onPage` is called with the counts after each page that `load` got, `onCount` with exact ones. */
    constructor(onPage, onCount) {
        this.onPage = onPage;
        this.onCount = onCount;
        this.filter = {};
        this.letters = [];
        this.indexes = new Map(); // from id to index
        this.generation = 0; // responses of earlier generations are discarded
        this.pending = new Map(); // requests by page
        this.exact = null; // {total, unread} of a search with more matches than a page counts
    }

    /** Mailbox and query. */
    get place() {
        return this.filter;
    }

    set place(place) {
        if (place.mailbox !== this.filter.mailbox || place.query !== this.filter.query) this.exact = null;
        this.filter = place;
    }

    fetch(page) {
        return get("v1/letters", { ...this.place, limit: PAGE, start: page * PAGE });
    }

    /** Fetches the pages of these rows, at least the first. Null if a later call replaced this one. */
    async fetchPages(first, last) {
        const request = (this.generation += 1);
        const pages = [];
        for (let page = Math.floor(first / PAGE); page * PAGE < Math.max(1, last); page += 1) pages.push(page);
        try {
            const found = await Promise.all(pages.map((page) => this.fetch(page)));
            return request === this.generation ? found.map((each, at) => [pages[at], each]) : null;
        } catch (error) {
            if (request === this.generation) throw error;
            return null;
        }
    }

    /** Replaces the whole content with these pages. */
    replace(found) {
        this.letters = [];
        for (const [page, each] of found) this.put(page, each);
        this.reindex();
        if (found.at(-1)[1].exact) this.exact = null;
        else this.countExactly();
    }

    /** Counts of a page, or the exact ones if they are known. */
    counts({ total, unread, exact }) {
        return exact || !this.exact ? { total, unread, exact } : { ...this.exact, exact: true };
    }

    /** Requests the exact counts. The earlier ones are used until then, so that the scroll bar does not jump. */
    async countExactly() {
        const request = this.generation;
        const found = await get("v1/letters", { ...this.place, limit: 0, exact: 1 }).catch(() => null);
        if (!found || request !== this.generation) return;
        this.exact = { total: found.total, unread: found.unread };
        this.letters.length = found.total;
        this.onCount(found);
    }

    /** Stores the letters of a page. */
    put(page, found) {
        const { letters, next } = found;
        const { total, exact } = this.counts(found);
        const start = page * PAGE;
        // The total of a large search is not exact: after a full page there may be another.
        const least = start + letters.length + (next ? 1 : 0);
        this.letters.length = exact ? total : Math.max(this.letters.length, total, least);
        for (const [at, letter] of letters.entries())
            if (start + at < this.letters.length) this.letters[start + at] = letter;
    }

    /** Inserts letters at the top. Discards pending responses, because positions change. */
    unshift(letters) {
        this.generation += 1;
        this.letters = letters.concat(this.letters);
        this.reindex();
    }

    remove(indexes) {
        for (const index of indexes.sort((a, b) => b - a)) this.letters.splice(index, 1);
        this.reindex();
    }

    clear() {
        this.letters = [];
        this.reindex();
    }

    reindex() {
        this.indexes = new Map();
        this.letters.forEach((letter, index) => this.indexes.set(letter.id, index));
    }

    /** Pages of these rows that have holes and are not pending. */
    missing(first, last) {
        const found = [];
        const end = Math.min(last, this.letters.length);
        for (let index = Math.max(0, first); index < end; index += 1) {
            const page = Math.floor(index / PAGE);
            if (this.letters[index] || this.pending.has(page)) continue;
            found.push(page);
            index = (page + 1) * PAGE - 1;
        }
        return found;
    }

    /** Loads a page. */
    load(page) {
        const request = this.generation;
        const loading = this.fetch(page).then(
            (found) => {
                this.pending.delete(page);
                if (request !== this.generation) return;
                this.put(page, found);
                this.reindex();
                this.onPage(this.counts(found));
            },
            async (error) => {
                // Delays the next attempt.
                await new Promise((resolve) => {
                    setTimeout(resolve, 2000);
                });
                this.pending.delete(page);
                throw error;
            },
        );
        this.pending.set(page, loading);
        return loading;
    }

    /** Loads the missing letters of these rows. */
    async ensure(first, last) {
        for (const page of this.missing(first, last)) await this.load(page);
        await Promise.all(this.pending.values());
    }

    /** Ids and positions of the loaded letters of these rows. */
    entries(first, last) {
        const found = [];
        for (let index = first; index < last && index < this.letters.length; index += 1)
            if (this.letters[index]) found.push({ id: this.letters[index].id, index });
        return found;
    }
}
