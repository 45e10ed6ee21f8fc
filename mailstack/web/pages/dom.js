/** Element builders. Strings become text, never markup. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * Creates an element. Function properties are listeners (`onclick`), `true` sets an attribute without value, and `null`,
 * `undefined` or `false` sets none. Children are nodes, strings, or lists of them.
 */
export function h(tag, properties = {}, ...children) {
    const element = document.createElement(tag);
    set(element, properties);
    element.append(...flat(children));
    return element;
}

/** Creates an SVG element, like `h`. */
export function svg(tag, properties = {}, ...children) {
    const element = document.createElementNS(SVG, tag);
    set(element, properties);
    element.append(...flat(children));
    return element;
}

/** Isolated text from users: its direction does not affect the text around it. */
export function userText(text, properties = {}) {
    return h("bdi", properties, text);
}

/** Creates a button; `content` is text or an icon. */
export function button(content, onclick, properties = {}) {
    return h("button", { type: "button", onclick, ...properties }, content);
}

/** Replaces the children of an element. */
export function fill(element, ...children) {
    element.replaceChildren(...flat(children));
    return element;
}

function set(element, properties) {
    for (const [name, value] of Object.entries(properties)) {
        if (value === null || value === undefined || value === false) continue;
        if (typeof value === "function") element.addEventListener(name.slice(2), value);
        else if (name === "value" || name === "checked" || name === "indeterminate") element[name] = value;
        else element.setAttribute(name, value === true ? "" : String(value));
    }
}

function flat(children) {
    return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}
