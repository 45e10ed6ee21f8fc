/** Virtual list: only the visible rows are in the document. */

const OVERSCAN = 8; // rows beyond either edge

/** Rows of a scroller. The CSS property `--row` is their height in pixels. */
export class VirtualList {
    /** `source` has `length`, `keyAt(index)`, `createRow(index)` and `onRange(first, last)`, which gets the visible rows. */
    constructor(scroller, list, source) {
        this.scroller = scroller;
        this.list = list;
        this.source = source;
        this.rows = new Map(); // by key
        this.frame = 0;
        scroller.addEventListener("scroll", () => this.renderSoon(), { passive: true });
        this.watcher = new ResizeObserver(() => this.measure());
        this.watcher.observe(scroller);
        this.measure();
    }

    /** Reads the height of a row. */
    measure() {
        this.height = parseFloat(getComputedStyle(this.scroller).getPropertyValue("--row")) || 48;
        this.render();
    }

    renderSoon() {
        this.frame ||= requestAnimationFrame(() => this.render());
    }

    /** Range of the visible rows and the overscan: first index, and index after the last. */
    get range() {
        const top = this.scroller.scrollTop;
        const first = Math.max(0, Math.floor(top / this.height) - OVERSCAN);
        const last = Math.ceil((top + this.scroller.clientHeight) / this.height) + OVERSCAN;
        return [first, last];
    }

    /** Inserts the visible rows in order, and removes the others. */
    render() {
        cancelAnimationFrame(this.frame);
        this.frame = 0;
        const { length } = this.source;
        const [first, end] = this.range;
        const last = Math.min(length, end);
        this.list.style.height = `${length * this.height}px`;
        const visible = new Map();
        let before = null;
        for (let index = last - 1; index >= first; index -= 1) {
            const key = this.source.keyAt(index);
            const row = this.rows.get(key) ?? this.source.createRow(index);
            row.style.transform = `translateY(${index * this.height}px)`;
            row.setAttribute("aria-posinset", index + 1);
            row.setAttribute("aria-setsize", length);
            if (row.parentNode !== this.list || row.nextSibling !== before) this.list.insertBefore(row, before);
            visible.set(key, row);
            before = row;
        }
        for (const [key, row] of this.rows) if (!visible.has(key)) row.remove();
        this.rows = visible;
        if (length) this.source.onRange(first, last);
    }

    /** Creates a visible row again, and keeps the focus. */
    renew(key, index) {
        const row = this.rows.get(key);
        if (!row) return;
        const focused = row.contains(document.activeElement) ? document.activeElement.className : null;
        const next = this.source.createRow(index);
        next.style.transform = row.style.transform;
        row.replaceWith(next);
        this.rows.set(key, next);
        if (focused !== null)
            next.querySelector(focused ? `.${focused.split(" ")[0]}` : "a")?.focus({ preventScroll: true });
    }

    /** Creates all visible rows again. */
    renewAll() {
        for (const row of this.rows.values()) row.remove();
        this.rows.clear();
        this.render();
    }

    /** Scrolls as little as needed to show a row. */
    reveal(index) {
        const top = index * this.height;
        const { scrollTop, clientHeight } = this.scroller;
        if (top < scrollTop) this.scroller.scrollTop = top;
        else if (top + this.height > scrollTop + clientHeight)
            this.scroller.scrollTop = top + this.height - clientHeight;
        this.render();
    }

    /** Scrolls by rows that were inserted above. */
    shift(rows) {
        if (this.scroller.scrollTop > this.height / 2) this.scroller.scrollTop += rows * this.height;
    }

    close() {
        this.watcher.disconnect();
        cancelAnimationFrame(this.frame);
    }
}
