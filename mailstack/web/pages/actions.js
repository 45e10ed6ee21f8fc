/** Actions on letters, for the list and for the open letter. */

import { get, segment, patch, post, remove } from "./api.js";
import { confirmDialog, field, formDialog } from "./dialogs.js";
import { count, number } from "./format.js";
import { notice } from "./notices.js";

/** `which` is `{ids}`, `{query}` or `{all: true}`. */
export const markUnread = (which, unread) => patch("v1/letters", { ...which, unread });
export const markFlagged = (which, flagged) => patch("v1/letters", { ...which, flagged });

/** Deletes letters, and offers to undo it. */
export async function deleteLetters(which, after = () => {}) {
    const { deleted, undo } = await remove("v1/letters", which);
    const action = undo && {
        words: "Undo",
        run: () => post("v1/undo", { token: undo }).then(after, (error) => notice(error.message, { bad: true })),
    };
    notice(`${count(deleted, "letter")} deleted`, { action });
}

/** Deletes all letters of a mailbox and a query for good, after a question with their number. */
export async function deleteAll(which) {
    const { mailbox, query } = which;
    const { total } = await get("v1/letters", { mailbox, query, limit: 0, exact: 1 });
    if (!total) return;
    const where = query ? "of this search" : mailbox ? "of this mailbox" : "of the inbox";
    const agreed = await confirmDialog(`Delete all ${count(total, "letter")} ${where}?`, `Delete ${number(total)}`, {
        explanation: "This can't be undone. POP3 and IMAP mailboxes keep their messages.",
        final: true,
    });
    if (!agreed) return;
    const { deleted } = await remove("v1/letters", { ...which, undo: false });
    notice(`${count(deleted, "letter")} deleted for good`);
}

/** Asks for tags to add and remove. `current`: tags of the letters. */
export function tagLetters(which, current, after = () => {}) {
    return formDialog(
        "Tags",
        [
            field("Add", "add", {
                placeholder: "release, to check",
                hint: "Separate several with commas.",
                autocomplete: "off",
                dir: "auto",
            }),
            current.length
                ? field("Remove", "remove", {
                      placeholder: current.join(", "),
                      hint: `Current: ${current.join(", ")}`,
                      autocomplete: "off",
                      dir: "auto",
                  })
                : null,
        ],
        "Change",
        async ({ add = "", remove: removed = "" }) => {
            await patch("v1/letters", { ...which, add_tags: words(add), remove_tags: words(removed) });
            after();
        },
    );
}

/** Asks for real addresses, and sends a letter to them through the queue. */
export function releaseLetter(letter) {
    return formDialog(
        "Release this letter",
        [
            field("To", "to", {
                type: "text",
                required: true,
                hint: "The letter goes through the queue. In the dev environment it does not leave this machine.",
                value: (letter.recipients ?? []).map((each) => each.address).join(", "),
                autocomplete: "off",
            }),
        ],
        "Release",
        async ({ to }) => {
            const addresses = words(to);
            await post(`v1/letters/${segment(letter.id)}/release`, { to: addresses });
            notice(
                `Released to ${addresses.length > 2 ? `${number(addresses.length)} addresses` : addresses.join(" and ")}`,
            );
        },
    );
}

/** Splits a list with commas. */
export const words = (text) =>
    text
        .split(",")
        .map((each) => each.trim())
        .filter(Boolean);

/** Addresses of the accounts. */
export async function senders() {
    const { accounts } = await get("v1/accounts");
    return accounts.map((each) => each.address);
}
