/** Which letters are selected, and the bar that does something with all of them. */

import { deleteLetters, markUnread, tagLetters } from "./actions.js";
import { fill, h, userText } from "./dom.js";
import { confirmed } from "./dialogs.js";
import { number } from "./format.js";
import { iconButton } from "./icons.js";
import { showError, tried } from "./notices.js";

const MOST = 10_000; // letters that one request may name

/** The selection in a LetterList. */
export class Selection {
    constructor(list, bar) {
        this.list = list;
        this.bar = bar;
        this.ids = new Set();
        this.all = false; // all that there are, also those that nobody has looked at
        this.without = new Set(); // of all
        this.last = null;
    }

    has(id) {
        return this.all ? !this.without.has(id) : this.ids.has(id);
    }

    get size() {
        return this.all ? this.list.total - this.without.size : this.ids.size;
    }

    /** Takes a letter in or out; with `range` also all between it and the one before. */
    async toggle(id, range = false) {
        const { indexes } = this.list;
        const chosen = !this.has(id);
        const at = indexes.get(id);
        const from = (range ? indexes.get(this.last) : at) ?? at;
        const [first, end] = [Math.min(from, at), Math.max(from, at)];
        this.last = id;
        if (end - first >= MOST) return showError(new Error(`At most ${number(MOST)} letters can be selected one by one.`));
        await this.list.know(first, end + 1);
        const [changed, takes] = this.all ? [this.without, !chosen] : [this.ids, chosen];
        for (const letter of this.list.letters.slice(first, end + 1))
            if (letter) takes ? changed.add(letter.id) : changed.delete(letter.id);
        return this.changed();
    }

    /** All, or none. */
    every(chosen) {
        this.ids.clear();
        this.without.clear();
        this.all = chosen;
        this.changed();
    }

    clear() {
        if (this.ids.size || this.all) this.every(false);
    }

    /** Forgets those that are gone; null are too many to tell. */
    forget(ids) {
        if (!ids) return this.clear();
        for (const id of ids) {
            this.ids.delete(id);
            this.without.delete(id);
        }
        return this.show();
    }

    changed() {
        this.list.window.renewAll();
        this.show();
    }

    /** What the API calls those that are selected. */
    get which() {
        if (!this.all) return { ids: [...this.ids] };
        return { ...everythingIn(this.list.place), ...(this.without.size ? { without: [...this.without] } : {}) };
    }

    /** Draws the bar. */
    show() {
        const { size, list } = this;
        const whole = h("input", {
            type: "checkbox",
            "aria-label": "Select all letters",
            checked: size > 0 && list.exact && size === list.total,
            disabled: !list.total,
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
                mailbox ? [userText(mailbox, { class: "where" }), " "] : null,
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
            iconButton("close", "Select nothing", () => this.clear()),
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
