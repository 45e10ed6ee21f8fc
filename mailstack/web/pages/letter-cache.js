/** Which letters of a list are known: an array as long as the list, with holes where nobody has looked yet. */

import { get } from "./api.js";

const PAGE = 100; // letters that are asked for together

/** The letters of a mailbox and a query, the newest first. */
export class LetterCache {
    /** `came` is called with each page that comes by itself. */
    constructor(came) {
        this.came = came;
        this.place = {};
        this.letters = [];
        this.indexes = new Map(); // from id to index
        this.turn = 0; // what was asked for in an earlier turn is of no use
        this.asked = new Map(); // pages that are on their way, by number
    }

    /** Asks for a page. */
    fetch(page) {
        return get("v1/letters", { ...this.place, limit: PAGE, start: page * PAGE });
    }

    /** Asks anew for the pages with these rows, at least the first; null when somebody else asked meanwhile. */
    async ask(first, last) {
        const mine = (this.turn += 1);
        const pages = [];
        for (let page = Math.floor(first / PAGE); page * PAGE < Math.max(1, last); page += 1) pages.push(page);
        try {
            const found = await Promise.all(pages.map((page) => this.fetch(page)));
            return mine === this.turn ? found.map((each, at) => [pages[at], each]) : null;
        } catch (error) {
            if (mine === this.turn) throw error;
            return null;
        }
    }

    /** Knows these pages, and nothing else: positions may have changed. */
    take(found) {
        this.letters = [];
        for (const [page, each] of found) this.put(page, each);
        this.reindex();
    }

    /** Puts the letters of a page into their places. */
    put(page, { letters, total, exact, next }) {
        const start = page * PAGE;
        // Of a search that finds very much the end is not known: where a page is full, there may be another.
        const least = start + letters.length + (next ? 1 : 0);
        this.letters.length = exact ? total : Math.max(this.letters.length, total, least);
        for (const [at, letter] of letters.entries())
            if (start + at < this.letters.length) this.letters[start + at] = letter;
    }

    /** Puts letters before all others. What is on its way is counted from another beginning then. */
    unshift(came) {
        this.turn += 1;
        this.letters = came.concat(this.letters);
        this.reindex();
    }

    /** Takes letters out that are known. */
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
                this.reindex();
                this.came(found);
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
        for (const page of this.missing(first, last)) await this.load(page);
        await Promise.all(this.asked.values());
    }

    /** Those that are known of some rows, and where. */
    someOf(first, last) {
        const found = [];
        for (let index = first; index < last && index < this.letters.length; index += 1)
            if (this.letters[index]) found.push({ id: this.letters[index].id, index });
        return found;
    }
}
