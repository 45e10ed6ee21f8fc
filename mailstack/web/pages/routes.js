/** Which page a location means. Locations are fragments (`#/letters?query=…`), so any path may hold the pages. */

/** Where we are: the segments, decoded, and the query. */
export function here() {
    const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
    return {
        path: path.split("/").filter(Boolean).map(decoded),
        query: Object.fromEntries(new URLSearchParams(query)),
    };
}

/** The fragment of a place. */
export function to(path, query = {}) {
    const pairs = Object.entries(query).filter(([, value]) => value);
    const segments = path.map(encodeURIComponent).join("/");
    return `#/${segments}${pairs.length ? `?${new URLSearchParams(pairs)}` : ""}`;
}

/** Goes there; with `replace` without a trace in the history. */
export function go(path, query, { replace = false } = {}) {
    const target = to(path, query);
    if (target === location.hash) return;
    if (replace) {
        history.replaceState(null, "", target);
        dispatchEvent(new HashChangeEvent("hashchange"));
    } else {
        location.hash = target;
    }
}

function decoded(segment) {
    try {
        return decodeURIComponent(segment);
    } catch {
        return segment;
    }
}
