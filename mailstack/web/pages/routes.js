/** Routes as fragments (`#/letters?query=…`), so that the pages work below any path. */

/** Current place: decoded segments and query. */
export function here() {
    const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
    return {
        path: path.split("/").filter(Boolean).map(decodeSegment),
        query: Object.fromEntries(new URLSearchParams(query)),
    };
}

/** Fragment of a place. */
export function hashOf(path, query = {}) {
    const pairs = Object.entries(query).filter(([, value]) => value);
    const segments = path.map(encodeURIComponent).join("/");
    return `#/${segments}${pairs.length ? `?${new URLSearchParams(pairs)}` : ""}`;
}

/** Opens a place; `replace`: without a history entry. The place takes the entry of an open dialog. */
export function go(path, query, { replace = false } = {}) {
    if (leaving) {
        leaving.then(() => go(path, query, { replace }));
        return;
    }
    const target = hashOf(path, query);
    if (target === location.hash) return;
    if (replace || depth()) {
        history.replaceState(null, "", target);
        dispatchEvent(new HashChangeEvent("hashchange"));
    } else {
        location.hash = target;
    }
}

const LEAVE_MS = 1000; // at most, until the browser has gone back
const overlays = []; // functions that close what is open over the page, the topmost last
let leaving = null; // promise, while the entry of a closed overlay is left

/** Gives an overlay an entry in the history, so that Back calls `close`. Returns what to call when it is closed. */
export function closeOnBack(close) {
    let isClosed = false;
    const enter = () => {
        if (isClosed) return;
        overlays.push(close);
        history.pushState({ overlays: overlays.length }, "");
    };
    if (leaving) leaving.then(enter);
    else enter();
    return () => {
        isClosed = true;
        const index = overlays.indexOf(close);
        if (index < 0) return; // Back has closed it
        overlays.splice(index, 1);
        if (depth() > overlays.length) leave();
    };
}

function leave() {
    const gone = new Promise((resolve) => {
        addEventListener("popstate", resolve, { once: true });
        setTimeout(resolve, LEAVE_MS);
    });
    leaving = gone.then(() => {
        leaving = null;
    });
    history.back();
}

/** Overlays of the current entry. */
const depth = () => history.state?.overlays ?? 0;

addEventListener("popstate", () => {
    if (leaving) return;
    for (const close of overlays.splice(depth()).reverse()) close();
});
if (depth()) history.replaceState(null, ""); // after a reload nothing is open

function decodeSegment(segment) {
    try {
        return decodeURIComponent(segment);
    } catch {
        return segment;
    }
}
