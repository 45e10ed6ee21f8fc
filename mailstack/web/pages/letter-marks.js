/** Marks and folders of an open letter. */

import { markFlagged, markUnread } from "./actions.js";
import { h } from "./dom.js";
import { iconButton } from "./icons.js";
import { attempt } from "./notices.js";

/** Buttons for read and unread, and for the flag. */
export function markButtons({ id, unread, flagged }) {
    const which = { ids: [id] };
    const read = iconButton(unread ? "read" : "unread", unread ? "Mark as read" : "Mark as unread", () =>
        attempt(() => markUnread(which, !unread)),
    );
    const flag = iconButton("flag", flagged ? "Remove the flag" : "Flag", () =>
        attempt(() => markFlagged(which, !flagged)),
    );
    flag.setAttribute("aria-pressed", String(flagged));
    return h("span", { class: "letter-marks" }, read, flag);
}

/** What the header shows and may change. */
export const headOf = ({ state, tags, folders }) => [state, tags, folders];

/** Folders that have a letter, such as "bob@home.test: Trash". */
export const foldersOf = ({ folders }) => folders.map(({ mailbox, folder }) => `${mailbox}: ${folder}`).join(", ");
