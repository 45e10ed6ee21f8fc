/** A part of a page that is fetched, drawn, and fetched again when something happens. */

import { button, fill, h } from "./dom.js";
import { debounced, on } from "./live.js";

/** What stands in the place of something that is on its way. */
export const loading = () => h("p", { class: "quiet", role: "status" }, "Loading");

/** Why it has not come. */
export const trouble = (error) => h("p", { class: "trouble", role: "alert" }, error.message);

/**
 * Draws what `fetched()` gives by `draw(found)` into an element, again for each event of these kinds. The focus stays on what
 * has the same `data-key`. Returns `{again, end}`.
 */
export function kept(element, fetched, draw, kinds = []) {
    let over = false;
    let seen = "";
    let turn = 0;
    const look = async () => {
        const mine = (turn += 1);
        try {
            const found = await fetched();
            const next = JSON.stringify(found);
            if (over || mine !== turn || next === seen) return;
            seen = next;
            const key = document.activeElement?.dataset?.key;
            fill(element, draw(found));
            if (key) element.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
        } catch (error) {
            if (over || mine !== turn || (seen && error.status === 0)) return;
            seen = "";
            fill(
                element,
                h("div", { class: "nothing" }, h("p", { role: "alert" }, error.message), button("Try again", look)),
            );
        }
    };
    const again = debounced(look, 120);
    fill(element, loading());
    const off = [...kinds, "again"].map((kind) => on(kind, again));
    look();
    return {
        again: look,
        end: () => {
            over = true;
            for (const each of off) each();
        },
    };
}
