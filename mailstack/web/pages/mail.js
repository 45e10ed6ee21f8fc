/** Mail page: the list of letters, and the open letter. */

import { deleteLetters, markUnread } from "./actions.js";
import { ApiError, UNREACHABLE } from "./api.js";
import { button, fill, h } from "./dom.js";
import { pageKeys } from "./keyboard.js";
import { LetterList } from "./letters.js";
import { on } from "./live.js";
import { attempt } from "./notices.js";
import { go } from "./routes.js";

let list = null;
let reading = null; // the LetterView
let pane = null;
let main = null;
let place = {};

export function show(at, element) {
    main = element;
    const side = h("section", { class: "list", "aria-label": "List of letters" });
    pane = h("article", { class: "reader", tabindex: "-1", "aria-label": "Letter", hidden: true });
    main.append(side, pane);
    list = new LetterList(side);
    const noKeys = pageKeys(KEYS);
    const gone = on("deleted", ({ ids }) => {
        if (reading && ids?.includes(reading.id)) back();
    });
    move(at);
    // Preloads the modules of an open letter, so that it opens while the server is unreachable.
    const preload = setTimeout(() => {
        for (const name of ["letter", "letter-body", "letter-parts", "html-source"]) import(`./${name}.js`).catch(() => {});
    }, 400);
    return () => {
        clearTimeout(preload);
        noKeys();
        gone();
        reading?.close();
        list.close();
        list = reading = pane = null;
    };
}

/** Shows another letter, mailbox or search without building the page again. */
export function move(at) {
    if (!list || !["letters", "letter", undefined].includes(at.path[0])) return false;
    place = { mailbox: at.query.mailbox, query: at.query.query };
    main.className = at.path[0] === "letter" ? "letters reading" : "letters";
    list.show(place);
    if (at.path[0] === "letter") open(at.path[1] ?? "", at.path[2]);
    else close();
    return true;
}

async function open(id, tab) {
    list.open = id;
    list.pointAt(id);
    pane.hidden = false;
    if (reading?.id === id) return void reading.selectTab(tab);
    let LetterView;
    try {
        ({ LetterView } = await import("./letter.js"));
    } catch {
        return void refuse(new ApiError(0, UNREACHABLE));
    }
    if (list?.open !== id) return undefined;
    reading?.close();
    reading = new LetterView(pane, id, { tab, place, back, refuse, remove });
    return undefined;
}

function close() {
    const was = list.open;
    list.open = null;
    reading?.close();
    reading = null;
    pane.hidden = true;
    pane.replaceChildren();
    if (was) {
        list.window.measure();
        if (list.at) list.point(list.cursor);
    }
}

/** Shows the error in place of the letter. */
function refuse(error) {
    const gone = error.status === 404;
    fill(
        pane,
        h(
            "section",
            { class: "empty" },
            h("h1", {}, gone ? "This letter is not here" : "This letter can't be shown"),
            h("p", {}, gone ? "It was deleted, or its id is wrong." : error.message),
            button("Back to the list", back, { class: "primary" }),
        ),
    );
}

const back = () => go(["letters"], place);

async function step(by) {
    const letter = await list.move(by);
    if (letter && reading) go(["letter", letter.id], place, { replace: true });
}

/** Letters that an action applies to: the selection, else the open letter, else the one under the cursor. */
function chosen() {
    if (list.selection.size) return list.selection.which;
    const id = reading?.id ?? list.at?.id;
    return id ? { ids: [id] } : null;
}

async function remove() {
    if (list.selection.size) return void list.selection.remove();
    const which = chosen();
    if (!which) return undefined;
    const next = list.letters[list.cursor + 1] ?? list.letters[list.cursor - 1];
    if (await attempt(() => deleteLetters(which, () => list?.refreshSoon()))) {
        list.remove(which.ids);
        if (reading) next ? go(["letter", next.id], place, { replace: true }) : back();
        list.refreshSoon();
    }
    return undefined;
}

function mark(unread) {
    const which = chosen();
    if (which) attempt(() => markUnread(which, unread));
}

const KEYS = {
    j: ["Next letter", () => step(1)],
    k: ["Previous letter", () => step(-1)],
    Enter: ["Open", () => list.at && go(["letter", list.at.id], place)],
    o: ["Open", () => list.at && go(["letter", list.at.id], place)],
    u: ["Back to the list", back],
    x: [
        "Select",
        async () => {
            if (!list.at) await step(1);
            if (list.at) list.selection.toggle(list.at.id);
        },
    ],
    X: ["Select up to here", () => list.at && list.selection.toggle(list.at.id, true)],
    Escape: ["Clear the selection; back", () => (list.selection.size ? list.selection.clear() : reading && back())],
    "#": ["Delete", remove],
    I: ["Mark as read", () => mark(false)],
    U: ["Mark as unread", () => mark(true)],
    r: ["Reply", () => reading?.reply()],
    "/": ["Search", () => list.search.input.focus()],
};
