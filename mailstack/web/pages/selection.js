/** Which letters are selected, and the bar that does something with all of them. */

import { deleteLetters, markUnread, tagLetters } from "./acting.js";
import { button, fill, h, own } from "./dom.js";
import { confirmed } from "./dialogs.js";
import { number } from "./format.js";
import { iconButton } from "./icons.js";
import { tried } from "./notices.js";

/** The selection in a LetterList. */
export class Selection {
    constructor(list, bar) {
        this.list = list;
        this.bar = bar;
        this.ids = new Set();
        this.all = false; // also those that match and have not been loaded
        this.last = null;
    }

    has(id) {
        return this.all || this.ids.has(id);
    }

    get size() {
        return this.all ? this.list.total : this.ids.size;
    }

    /** Takes a letter in or out; with `range` also all between it and the one before. */
    toggle(id, range = false) {
        const letters = this.list.letters;
        const chosen = !this.has(id);
        if (this.all) {
            this.all = false;
            this.ids = new Set(letters.map((each) => each.id));
        }
        const from = range && this.last ? this.list.indexes.get(this.last) : undefined;
        const at = this.list.indexes.get(id);
        const [first, end] = from === undefined ? [at, at] : [Math.min(from, at), Math.max(from, at)];
        for (const letter of letters.slice(first, end + 1)) {
            if (chosen) this.ids.add(letter.id);
            else this.ids.delete(letter.id);
        }
        this.last = id;
        this.changed();
    }

    /** All, or none. */
    every(chosen) {
        this.ids = new Set(chosen ? this.list.letters.map((each) => each.id) : []);
        this.all = chosen;
        this.changed();
    }

    clear() {
        if (!this.ids.size && !this.all) return;
        this.ids.clear();
        this.all = false;
        this.changed();
    }

    /** Forgets those that are gone. */
    keep(known) {
        for (const id of this.ids) if (!known(id)) this.ids.delete(id);
    }

    changed() {
        this.list.window.renewAll();
        this.show();
    }

    /** What the API calls those that are selected. */
    get which() {
        if (!this.all) return { ids: [...this.ids] };
        return everythingIn(this.list.place);
    }

    /** Draws the bar. */
    show() {
        const { size, list } = this;
        const whole = h("input", {
            type: "checkbox",
            "aria-label": "Select all letters",
            checked: this.all || (size > 0 && size === list.letters.length),
            onclick: (event) => this.every(event.target.checked),
        });
        whole.indeterminate = size > 0 && !whole.checked;
        const focused = this.bar.contains(document.activeElement)
            ? document.activeElement.getAttribute("aria-label")
            : null;
        fill(this.bar, h("label", { class: "pick" }, whole), size ? this.actions() : this.facts());
        if (focused)
            [...this.bar.querySelectorAll("[aria-label]")]
                .find((each) => each.getAttribute("aria-label") === focused)
                ?.focus();
    }

    facts() {
        const { list } = this;
        const { mailbox } = list.place;
        return [
            h(
                "span",
                { class: "facts" },
                mailbox ? [own(mailbox, { class: "where" }), " "] : null,
                h("span", { class: "quiet" }, list.words),
            ),
            list.unread
                ? iconButton("read", "Mark all as read", () => tried(() => markUnread(everythingIn(list.place), false)))
                : null,
        ];
    }

    actions() {
        const { list, which } = this;
        const tags = [...new Set(list.letters.filter((each) => this.has(each.id)).flatMap((each) => each.tags ?? []))];
        const done = () => list.refreshSoon();
        const act = (work) => () =>
            tried(async () => {
                await work();
                this.clear();
                done();
            });
        return [
            h("span", { class: "facts", role: "status" }, `${number(this.size)} selected`),
            iconButton(
                "read",
                "Mark as read",
                act(() => markUnread(which, false)),
            ),
            iconButton(
                "unread",
                "Mark as unread",
                act(() => markUnread(which, true)),
            ),
            iconButton("tag", "Tags", () =>
                tagLetters(which, tags, () => {
                    this.clear();
                    done();
                }),
            ),
            iconButton("trash", "Delete", () => this.remove()),
            button("Cancel", () => this.clear(), { class: "bare" }),
        ];
    }

    /** Deletes what is selected; all that there is only after a question. */
    async remove() {
        const { which, size } = this;
        if (!size) return;
        if (
            this.all &&
            !(await confirmed(`Delete ${number(size)} letters?`, "Delete", {
                explanation: "They can be brought back for a short while.",
            }))
        )
            return;
        await tried(async () => {
            await deleteLetters(which, () => this.list.refreshSoon());
            if (which.ids) this.list.drop(which.ids);
            this.clear();
            this.list.refreshSoon();
        });
    }
}

function everythingIn({ mailbox, query }) {
    return mailbox || query ? { mailbox, query } : { all: true };
}
