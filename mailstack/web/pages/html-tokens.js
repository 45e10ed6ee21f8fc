/** Tokens of HTML for highlighting, in linear time. */

const NAME = /<\/?[a-z][^\s"'<>/]*/iy;
const SPACE = /[\s/]+/y;
const ATTRIBUTE = /[^\s"'<>/=]+/y;
const UNQUOTED = /[^\s"'<>]+/y;
const RAW = { script: /<\/script/gi, style: /<\/style/gi, textarea: /<\/textarea/gi, title: /<\/title/gi };
/** Ends of the elements whose content has no tags. */

/**
 * Splits HTML into `[kind, text]`, whose texts together are the HTML. Kinds: "text", "tag", "attribute", "value",
 * "comment", "raw". Each character is examined a fixed number of times, whatever the text.
 */
export function* tokens(html) {
    let at = 0;
    while (at < html.length) {
        const next = html.indexOf("<", at);
        if (next !== at) {
            yield ["text", html.slice(at, next < 0 ? html.length : next)];
            if (next < 0) return;
        }
        at = next;
        const name = match(NAME, html, at);
        if (name) {
            at = yield* tag(html, at, name);
            const raw = RAW[name.slice(1).toLowerCase()];
            if (raw) {
                const end = find(raw, html, at);
                if (end > at) yield ["raw", html.slice(at, end)];
                at = end;
            }
        } else if (html.startsWith("<!", at) || html.startsWith("<?", at)) {
            const closing = html.startsWith("<!--", at) ? "-->" : ">";
            const end = html.indexOf(closing, at + (closing === ">" ? 2 : 4));
            const stop = end < 0 ? html.length : end + closing.length;
            yield ["comment", html.slice(at, stop)];
            at = stop;
        } else {
            yield ["text", "<"];
            at += 1;
        }
    }
}

/** Tokens of a tag; returns the index after it. */
function* tag(html, start, name) {
    let at = start + name.length;
    yield ["tag", name];
    let isValue = false; // after an equals sign
    while (at < html.length) {
        const character = html[at];
        if (character === ">") {
            yield ["tag", ">"];
            return at + 1;
        }
        if (character === "<") return at; // an unfinished tag
        let kind = isValue ? "value" : "attribute";
        let found = match(SPACE, html, at);
        if (found) kind = "tag";
        else if (character === '"' || character === "'") {
            const end = html.indexOf(character, at + 1);
            found = html.slice(at, end < 0 ? html.length : end + 1);
            kind = "value";
        } else if (character === "=") {
            found = "=";
            kind = "tag";
        } else found = match(isValue ? UNQUOTED : ATTRIBUTE, html, at) ?? character;
        isValue = character === "=" || (isValue && kind === "tag");
        yield [kind, found];
        at += found.length;
    }
    return at;
}

/** Text that a sticky expression matches at an index; null if it does not. */
function match(expression, text, at) {
    expression.lastIndex = at;
    return expression.exec(text)?.[0] ?? null;
}

/** Index of the next match of a global expression; the end of the text without one. */
function find(expression, text, at) {
    expression.lastIndex = at;
    return expression.exec(text)?.index ?? text.length;
}
