/** Client of the HTTP API. */

/** Failed request, with the message of the server. `status` 0: the server could not be reached. */
export class ApiError extends Error {
    constructor(status, message) {
        super(message);
        this.status = status;
    }
}

export const UNREACHABLE = "mailstack can't be reached. Is it running?";
const TIMEOUT = 30_000; // milliseconds

/** `required` is called when the server requires a login. */
export const login = { required: () => {} };

export const get = (path, query) => request("GET", path, { query });
export const post = (path, body, timeout = TIMEOUT) => request("POST", path, { body, timeout });
export const put = (path, body) => request("PUT", path, { body });
export const patch = (path, body) => request("PATCH", path, { body });
export const remove = (path, body) => request("DELETE", path, { body });

/** Text of a resource: at most `limit` characters, and whether there is more. */
export async function text(path, limit) {
    const response = await fetchOk(path, {});
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let found = "";
    try {
        while (found.length <= limit) {
            const { done, value } = await reader.read();
            if (done) break;
            found += value;
        }
    } catch {
        throw new ApiError(0, UNREACHABLE);
    }
    reader.cancel().catch(() => {});
    return { text: found.slice(0, limit), more: found.length > limit };
}

/** Octets of a resource. */
export const blob = async (path, timeout = TIMEOUT) => read(await fetchOk(path, {}, timeout), "blob");

let described = null;

/** Description of the API, read once: it has the routes of this server. */
export function description() {
    described ??= get("v1/openapi.json").catch((error) => {
        described = null;
        throw error;
    });
    return described;
}

/** Path with a query; relative, so that the pages work below any prefix. */
export function at(path, query = {}) {
    const pairs = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
    return pairs.length ? `${path}?${new URLSearchParams(pairs)}` : path;
}

/** Encodes a segment of a path. */
export const segment = encodeURIComponent;

async function request(method, path, { query, body, timeout = TIMEOUT }) {
    const options = { method, headers: { Accept: "application/json" } };
    if (body !== undefined) {
        options.body = JSON.stringify(body);
        options.headers["Content-Type"] = "application/json";
    }
    const response = await fetchOk(at(path, query), options, timeout);
    const kind = response.headers.get("Content-Type") ?? "";
    return kind.includes("json") ? read(response, "json") : null;
}

/** Body as text or JSON. Throws ApiError. */
const read = (response, as) =>
    response[as]().catch(() => {
        throw new ApiError(0, UNREACHABLE);
    });

async function fetchOk(path, options, timeout = TIMEOUT) {
    let response;
    try {
        response = await fetch(path, { ...options, signal: AbortSignal.timeout(timeout) });
    } catch {
        throw new ApiError(0, UNREACHABLE);
    }
    if (response.ok) return response;
    if (response.status === 401) login.required();
    throw new ApiError(response.status, await errorMessage(response));
}

async function errorMessage(response) {
    const body = await response.text().catch(() => "");
    try {
        const problem = JSON.parse(body);
        return problem.detail || problem.title || response.statusText;
    } catch {
        return body.slice(0, 300) || `${response.status} ${response.statusText}`;
    }
}
