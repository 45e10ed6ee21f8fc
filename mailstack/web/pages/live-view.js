/** Part of a page that is fetched, and fetched again after events. */

import { button, fill, h } from "./dom.js";
import { debounced, on } from "./live.js";

export const loading = () => h("p", { class: "quiet", role: "status" }, "Loading");

export const errorLine = (error) => h("p", { class: "trouble", role: "alert" }, error.message);

/**
 * Fills an element with `draw(await fetch())`, and again after each event of these kinds. The focus stays on the element with
 * the same `data-key`. Returns `{reload, close}`.
 */
export function liveView(element, fetch, draw, kinds = []) {
    let closed = false;
    let shown = "";
    let generation = 0;
    const load = async () => {
        const request = (generation += 1);
        try {
            const found = await fetch();
            const next = JSON.stringify(found);
            if (closed || request !== generation || next === shown) return;
            shown = next;
            const key = document.activeElement?.dataset?.key;
            fill(element, draw(found));
            if (key) element.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
        } catch (error) {
            if (closed || request !== generation || (shown && error.status === 0)) return;
            shown = "";
            fill(
                element,
                h("div", { class: "nothing" }, h("p", { role: "alert" }, error.message), button("Try again", load)),
            );
        }
    };
    const reload = debounced(load, 120);
    fill(element, loading());
    const off = [...kinds, "missed"].map((kind) => on(kind, reload));
    load();
    return {
        reload: load,
        close: () => {
            closed = true;
            for (const each of off) each();
        },
    };
}
