/** Asks the server: JSON in, JSON out, and troubles in the words of the server. */

/** What the server, or the way to it, refused. `status` 0: it could not be reached. */
export class Trouble extends Error {
    constructor(status, message) {
        super(message);
        this.status = status;
    }
}

/** Why nothing was answered. */
export const UNREACHED = "mailstack can't be reached. Is it running?";
const PATIENCE = 30_000; // milliseconds; then the server counts as not there

/** Called when the server wants a login. */
export const login = { wanted: () => {} };

export const get = (path, query) => ask("GET", path, { query });
export const post = (path, body, patience = PATIENCE) => ask("POST", path, { body, patience });
export const put = (path, body) => ask("PUT", path, { body });
export const patch = (path, body) => ask("PATCH", path, { body });
export const remove = (path, body) => ask("DELETE", path, { body });

/** The text of a resource, at most `limit` characters, and whether there is more. */
export async function text(path, limit) {
    const response = await reach(path, {});
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let found = "";
    try {
        while (found.length <= limit) {
            const { done, value } = await reader.read();
            if (done) break;
            found += value;
        }
    } catch {
        throw new Trouble(0, UNREACHED);
    }
    reader.cancel().catch(() => {});
    return { text: found.slice(0, limit), more: found.length > limit };
}

/** A path, with its query; relative, so that the pages work below any prefix. */
export function at(path, query = {}) {
    const pairs = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
    return pairs.length ? `${path}?${new URLSearchParams(pairs)}` : path;
}

/** One segment of a path. */
export const part = encodeURIComponent;

async function ask(method, path, { query, body, patience = PATIENCE }) {
    const given = { method, headers: { Accept: "application/json" } };
    if (body !== undefined) {
        given.body = JSON.stringify(body);
        given.headers["Content-Type"] = "application/json";
    }
    const response = await reach(at(path, query), given, patience);
    const kind = response.headers.get("Content-Type") ?? "";
    return kind.includes("json") ? read(response, "json") : null;
}

/** The body, as text or JSON; it may break off like all that comes over a network. */
const read = (response, as) =>
    response[as]().catch(() => {
        throw new Trouble(0, UNREACHED);
    });

async function reach(path, given, patience = PATIENCE) {
    let response;
    try {
        response = await fetch(path, { ...given, signal: AbortSignal.timeout(patience) });
    } catch {
        throw new Trouble(0, UNREACHED);
    }
    if (response.ok) return response;
    if (response.status === 401) login.wanted();
    throw new Trouble(response.status, await words(response));
}

async function words(response) {
    const said = await response.text().catch(() => "");
    try {
        const problem = JSON.parse(said);
        return problem.detail || problem.title || response.statusText;
    } catch {
        return said.slice(0, 300) || `${response.status} ${response.statusText}`;
    }
}
