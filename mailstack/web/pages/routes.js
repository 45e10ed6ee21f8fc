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

/** Opens a place; `replace`: without a history entry. */
export function go(path, query, { replace = false } = {}) {
    const target = hashOf(path, query);
    if (target === location.hash) return;
    if (replace) {
        history.replaceState(null, "", target);
        dispatchEvent(new HashChangeEvent("hashchange"));
    } else {
        location.hash = target;
    }
}

function decodeSegment(segment) {
    try {
        return decodeURIComponent(segment);
    } catch {
        return segment;
    }
}
