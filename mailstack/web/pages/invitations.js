/** Events of the calendar invitations in a letter. */

import { h, userText } from "./dom.js";
import { person } from "./format.js";
import { icon } from "./icons.js";

const METHODS = {
    REQUEST: "Invitation",
    PUBLISH: "Event",
    REPLY: "Reply to an invitation",
    CANCEL: "Cancelled event",
    COUNTER: "Counter-proposal",
    DECLINECOUNTER: "Declined counter-proposal",
    REFRESH: "Request for an update",
    ADD: "Addition to an event",
};
// The times are wall clocks of their zone, written as UTC for the format.
const DAY = new Intl.DateTimeFormat([], { dateStyle: "full", timeZone: "UTC" });
const CLOCK = new Intl.DateTimeFormat([], { dateStyle: "full", timeStyle: "short", timeZone: "UTC" });
const ONE_DAY = 86_400_000; // milliseconds

/** Section with all events, or null. Their texts are never markup. */
export function invitationsOf(letter) {
    if (!letter.events?.length) return null;
    return h("section", { class: "finds events", "aria-label": "Calendar" }, letter.events.map(card));
}

function card(event) {
    return h(
        "div",
        { class: "event" },
        h(
            "h2",
            {},
            icon("calendar"),
            h("span", { class: "quiet" }, METHODS[event.method] ?? (event.method || "Event"), ": "),
            userText(event.summary || "(no title)"),
        ),
        h(
            "dl",
            { class: "parties" },
            row("When", when(event)),
            row("Time zone", event.start && !event.all_day ? userText(event.time_zone || "of the reader") : null),
            row("Repeats", event.recurring ? "yes, this is the first time" : null),
            row("Where", event.location ? userText(event.location) : null),
            row("Organizer", event.organizer ? person(event.organizer) : null),
        ),
    );
}

const row = (name, value) => (value ? [h("dt", {}, name), h("dd", {}, value)] : null);

/** "Thursday, 3 December 2026 at 10:00 – 11:00" in the zone of the event; null without a start. */
function when({ start, end, all_day: allDay }) {
    if (!start) return null;
    const from = time(start);
    const to = end ? new Date(time(end) - (allDay ? ONE_DAY : 0)) : from; // the end of whole days is exclusive
    const format = allDay ? DAY : CLOCK;
    const words = to > from ? format.formatRange(from, to) : format.format(from);
    return h("time", { datetime: start }, words);
}

/** Date of a wall clock or day of the API. */
const time = (text) => new Date(text.includes("T") ? `${text}Z` : `${text}T00:00:00Z`);
