/** The mail page: the list, and beside or above it the letter that is read. */

import { deleteLetters, markUnread } from "./actions.js";
import { Trouble, UNREACHED } from "./api.js";
import { button, fill, h } from "./dom.js";
import { pageKeys } from "./help.js";
import { LetterList } from "./letters.js";
import { on } from "./live.js";
import { tried } from "./notices.js";
import { go } from "./routes.js";

let list = null;
let reading = null; // the LetterView
let pane = null;
let main = null;
let place = {};

/** Builds the page. */
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
    // What the first letter needs is there before it is opened, even if the server should go.
    const soon = setTimeout(() => {
        for (const name of ["letter", "letter-body", "letter-parts"]) import(`./${name}.js`).catch(() => {});
    }, 400);
    return () => {
        clearTimeout(soon);
        noKeys();
        gone();
        reading?.close();
        list.close();
        list = reading = pane = null;
    };
}

/** Goes from one letter, mailbox or search to another without building the page anew. */
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
    if (reading?.id === id) return void reading.turnTo(tab);
    let LetterView;
    try {
        ({ LetterView } = await import("./letter.js"));
    } catch {
        return void refuse(new Trouble(0, UNREACHED));
    }
    if (list?.open !== id) return undefined;
    reading?.close();
    reading = new LetterView(pane, id, { tab, place, back, refuse, after: remove });
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

/** Says in the letter's place why it is not there. */
function refuse(error) {
    const gone = error.status === 404;
    fill(
        pane,
        h(
            "section",
            { class: "empty" },
            h("h1", {}, gone ? "This letter is not here" : "This letter can't be shown"),
            h("p", {}, gone ? "It was deleted, or never came." : error.message),
            button("Back to the list", back, { class: "primary" }),
        ),
    );
}

const back = () => go(["letters"], place);

async function step(by) {
    const letter = await list.step(by);
    if (letter && reading) go(["letter", letter.id], place, { replace: true });
}

/** The letters that an action is for: those selected, else the one that is read or under the cursor. */
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
    if (await tried(() => deleteLetters(which, () => list?.refreshSoon()))) {
        list.drop(which.ids);
        if (reading) next ? go(["letter", next.id], place, { replace: true }) : back();
        list.refreshSoon();
    }
    return undefined;
}

function mark(unread) {
    const which = chosen();
    if (which) tried(() => markUnread(which, unread));
}

const KEYS = {
    j: ["Next letter", () => step(1)],
    k: ["Letter before", () => step(-1)],
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
    X: ["Select all to here", () => list.at && list.selection.toggle(list.at.id, true)],
    Escape: ["Select nothing; back", () => (list.selection.size ? list.selection.clear() : reading && back())],
    "#": ["Delete", remove],
    I: ["Mark as read", () => mark(false)],
    U: ["Mark as unread", () => mark(true)],
    r: ["Reply", () => reading?.reply()],
    "/": ["Search", () => list.search.input.focus()],
};
