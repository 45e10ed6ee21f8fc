/** A long list of which only the rows in sight are in the document. */

const AROUND = 8; // rows beyond either edge

/** The rows of a scroller; their height is its CSS property `--row`, in pixels. */
export class VirtualList {
    /** `source` has `length`, `keyAt(index)`, `make(index)` and `reached(first, last)`, told which rows are in sight. */
    constructor(scroller, list, source) {
        this.scroller = scroller;
        this.list = list;
        this.source = source;
        this.rows = new Map(); // by key
        this.asked = 0;
        scroller.addEventListener("scroll", () => this.soon(), { passive: true });
        this.watcher = new ResizeObserver(() => this.measure());
        this.watcher.observe(scroller);
        this.measure();
    }

    /** Reads the height of a row again. */
    measure() {
        this.height = parseFloat(getComputedStyle(this.scroller).getPropertyValue("--row")) || 48;
        this.render();
    }

    /** Renders with the next frame. */
    soon() {
        this.asked ||= requestAnimationFrame(() => this.render());
    }

    /** The rows in sight, and some around them: the first, and the one behind the last. */
    get range() {
        const top = this.scroller.scrollTop;
        const first = Math.max(0, Math.floor(top / this.height) - AROUND);
        const last = Math.ceil((top + this.scroller.clientHeight) / this.height) + AROUND;
        return [first, last];
    }

    /** Puts what is in sight into the document, in order, and takes out the rest. */
    render() {
        cancelAnimationFrame(this.asked);
        this.asked = 0;
        const { length } = this.source;
        const [first, end] = this.range;
        const last = Math.min(length, end);
        this.list.style.height = `${length * this.height}px`;
        const kept = new Map();
        let before = null;
        for (let index = last - 1; index >= first; index -= 1) {
            const key = this.source.keyAt(index);
            const row = this.rows.get(key) ?? this.source.make(index);
            row.style.transform = `translateY(${index * this.height}px)`;
            row.setAttribute("aria-posinset", index + 1);
            row.setAttribute("aria-setsize", length);
            if (row.parentNode !== this.list || row.nextSibling !== before) this.list.insertBefore(row, before);
            kept.set(key, row);
            before = row;
        }
        for (const [key, row] of this.rows) if (!kept.has(key)) row.remove();
        this.rows = kept;
        if (length) this.source.reached(first, last);
    }

    /** Makes a row anew, if it is in sight; the focus stays where it was. */
    renew(key, index) {
        const row = this.rows.get(key);
        if (!row) return;
        const focused = row.contains(document.activeElement) ? document.activeElement.className : null;
        const next = this.source.make(index);
        next.style.transform = row.style.transform;
        row.replaceWith(next);
        this.rows.set(key, next);
        if (focused !== null)
            next.querySelector(focused ? `.${focused.split(" ")[0]}` : "a")?.focus({ preventScroll: true });
    }

    /** Makes every row anew. */
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

    /** Lets rows come in above without moving what is in sight. */
    shift(rows) {
        if (this.scroller.scrollTop > this.height / 2) this.scroller.scrollTop += rows * this.height;
    }

    /** Ends the watching. */
    close() {
        this.watcher.disconnect();
        cancelAnimationFrame(this.asked);
    }
}
