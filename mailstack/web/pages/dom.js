/** Builds elements. Text is always text: no string ever becomes markup here. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element. Properties that are functions are listeners (`onclick`), `true` sets an attribute without value,
 * and `null`, `undefined` or `false` leave it out. Children are nodes, strings, or lists of them.
 */
export function h(tag, properties = {}, ...children) {
    const element = document.createElement(tag);
    set(element, properties);
    element.append(...flat(children));
    return element;
}

/** The same for SVG. */
export function svg(tag, properties = {}, ...children) {
    const element = document.createElementNS(SVG, tag);
    set(element, properties);
    element.append(...flat(children));
    return element;
}

/** Text whose direction is its own, so that it can't turn its surroundings round. */
export function userText(text, properties = {}) {
    return h("bdi", properties, text);
}

/** A button with words. */
export function button(words, onclick, properties = {}) {
    return h("button", { type: "button", onclick, ...properties }, words);
}

/** Replaces what an element holds. */
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
