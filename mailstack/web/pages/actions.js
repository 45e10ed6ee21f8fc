/** What can be done with letters, from the list and from a letter alike. */

import { get, part, patch, post, remove } from "./api.js";
import { field, formDialog } from "./dialogs.js";
import { count, number } from "./format.js";
import { notice } from "./notices.js";

/** `which` is `{ids}`, `{query}` or `{all: true}`. */
export const markUnread = (which, unread) => patch("v1/letters", { ...which, unread });

/** Deletes, and offers the way back. */
export async function deleteLetters(which, after = () => {}) {
    const { deleted, undo } = await remove("v1/letters", which);
    const action = undo && {
        words: "Undo",
        run: () => post("v1/undo", { token: undo }).then(after, (error) => notice(error.message, { bad: true })),
    };
    notice(`${count(deleted, "letter")} deleted`, { action });
}

/** Asks for tags to give and to take. `current` are those that the letters have. */
export function tagLetters(which, current, after = () => {}) {
    return formDialog(
        "Tags",
        [
            field("Add", "add", {
                placeholder: "release, to check",
                hint: "Several with commas between.",
                autocomplete: "off",
                dir: "auto",
            }),
            current.length
                ? field("Take away", "take", {
                      placeholder: current.join(", "),
                      hint: `There: ${current.join(", ")}`,
                      autocomplete: "off",
                      dir: "auto",
                  })
                : null,
        ],
        "Change",
        async ({ add = "", take = "" }) => {
            await patch("v1/letters", { ...which, add_tags: words(add), remove_tags: words(take) });
            after();
        },
    );
}

/** Sends a letter to a real address, through the queue. */
export function releaseLetter(letter) {
    return formDialog(
        "Release this letter",
        [
            field("To", "to", {
                type: "text",
                required: true,
                hint: "It goes through the queue like any other letter. In the dev environment the whole internet is on this machine.",
                value: (letter.recipients ?? []).map((each) => each.address).join(", "),
                autocomplete: "off",
            }),
        ],
        "Release",
        async ({ to }) => {
            const addresses = words(to);
            await post(`v1/letters/${part(letter.id)}/release`, { to: addresses });
            notice(
                `Released to ${addresses.length > 2 ? `${number(addresses.length)} addresses` : addresses.join(" and ")}`,
            );
        },
    );
}

/** What stands between commas. */
export const words = (text) =>
    text
        .split(",")
        .map((each) => each.trim())
        .filter(Boolean);

/** The accounts that can send. */
export async function senders() {
    const { accounts } = await get("v1/accounts");
    return accounts.map((each) => each.address);
}
