/** Selection of letters, and its toolbar. */

import { deleteAll, deleteLetters, markUnread, tagLetters } from "./actions.js";
import { fill, h, userText } from "./dom.js";
import { confirmDialog } from "./dialogs.js";
import { number } from "./format.js";
import { iconButton } from "./icons.js";
import { showError, attempt } from "./notices.js";

const MAX_SHOWN = 10_000; // ids in one request

/** Selection of a LetterList. */
export class Selection {
    constructor(list, bar) {
        this.list = list;
        this.bar = bar;
        this.ids = new Set();
        this.all = false; // all letters, also those that are not loaded
        this.excluded = new Set(); // ids, if all
        this.last = null;
    }

    has(id) {
        return this.all ? !this.excluded.has(id) : this.ids.has(id);
    }

    get size() {
        return this.all ? this.list.total - this.excluded.size : this.ids.size;
    }

    /** Selects or deselects a letter; with `range` also all between it and the last one. */
    async toggle(id, range = false) {
        const { indexes } = this.list;
        const chosen = !this.has(id);
        const at = indexes.get(id);
        const from = (range ? indexes.get(this.last) : at) ?? at;
        const [first, end] = [Math.min(from, at), Math.max(from, at)];
        this.last = id;
        if (end - first >= MAX_SHOWN)
            return showError(new Error(`At most ${number(MAX_SHOWN)} letters can be selected one by one.`));
        await this.list.ensure(first, end + 1);
        const [changed, adds] = this.all ? [this.excluded, !chosen] : [this.ids, chosen];
        for (const letter of this.list.letters.slice(first, end + 1))
            if (letter) adds ? changed.add(letter.id) : changed.delete(letter.id);
        return this.changed();
    }

    /** Selects all letters, or none. */
    every(chosen) {
        this.ids.clear();
        this.excluded.clear();
        this.all = chosen;
        this.changed();
    }

    clear() {
        if (this.ids.size || this.all) this.every(false);
    }

    /** Deselects deleted letters. Null: too many to list. */
    deselect(ids) {
        if (!ids) return this.clear();
        for (const id of ids) {
            this.ids.delete(id);
            this.excluded.delete(id);
        }
        return this.show();
    }

    changed() {
        this.list.window.renewAll();
        this.show();
    }

    /** Selection as the API takes it. */
    get which() {
        if (!this.all) return { ids: [...this.ids] };
        return { ...filterOf(this.list.place), ...(this.excluded.size ? { without: [...this.excluded] } : {}) };
    }

    /** Draws the toolbar. */
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
                h("span", { class: "quiet" }, list.summary),
            ),
            list.unread
                ? iconButton("read", "Mark all as read", () => attempt(() => markUnread(filterOf(list.place), false)))
                : null,
            list.total
                ? iconButton("trash", "Delete all", () =>
                      attempt(async () => {
                          await deleteAll(filterOf(list.place));
                          list.refreshSoon();
                      }),
                  )
                : null,
        ];
    }

    actions() {
        const { list, which } = this;
        const tags = [...new Set(list.letters.filter((each) => this.has(each.id)).flatMap((each) => each.tags ?? []))];
        const done = () => list.refreshSoon();
        const act = (work) => () =>
            attempt(async () => {
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
            iconButton("close", "Clear the selection", () => this.clear()),
        ];
    }

    /** Deletes the selected letters; asks first if all are selected. */
    async remove() {
        const { which, size } = this;
        if (!size) return;
        if (
            this.all &&
            !(await confirmDialog(`Delete ${number(size)} letters?`, "Delete", {
                explanation: "You can undo this for a short time.",
            }))
        )
            return;
        await attempt(async () => {
            await deleteLetters(which, () => this.list.refreshSoon());
            if (which.ids) this.list.remove(which.ids);
            this.clear();
            this.list.refreshSoon();
        });
    }
}

function filterOf({ mailbox, query }) {
    return mailbox || query ? { mailbox, query } : { all: true };
}
