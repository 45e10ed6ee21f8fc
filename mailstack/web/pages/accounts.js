/** Accounts page: accounts to add and remove, and other mailboxes. */

import { get, segment, post, remove } from "./api.js";
import { copyable } from "./copy.js";
import { button, h, userText } from "./dom.js";
import { confirmDialog, field, formDialog } from "./dialogs.js";
import { number, time } from "./format.js";
import { iconButton } from "./icons.js";
import { liveView } from "./live-view.js";
import { notice, attempt } from "./notices.js";
import { hashOf } from "./routes.js";
import { leftOut, nothing, pageBody, table } from "./tables.js";

export function show(_, main) {
    let view = null;
    const body = pageBody(
        main,
        "Accounts",
        "Accounts can log in to send and read mail. In the dev environment any address of another domain gets a mailbox with its first letter; its password is the address.",
        button("Add an account", () => add(() => view.reload()), { class: "primary" }),
    );
    view = liveView(
        body,
        () => Promise.all([get("v1/accounts"), get("v1/mailboxes")]),
        (found) => draw(found, () => view.reload()),
        ["letter", "deleted"],
    );
    return view.close;
}

function draw([known, opened], reload) {
    const { accounts } = known;
    const { mailboxes } = opened;
    const boxes = new Map(mailboxes.map((each) => [each.address, each]));
    const others = mailboxes.filter((each) => !accounts.some((account) => account.address === each.address));
    return h(
        "div",
        { class: "stack" },
        accounts.length
            ? table(
                  ["Address", "Password", "Since", "Letters", ""],
                  accounts.map((each) => accountRow(each, boxes.get(each.address), reload)),
                  { label: "Accounts" },
              )
            : nothing(h("p", {}, "There are no accounts.")),
        leftOut(accounts.length, known.total),
        others.length
            ? [
                  h("h2", {}, "Other mailboxes"),
                  table(
                      ["Address", "Letters", ""],
                      others.map((each) => mailboxRow(each, reload)),
                      { label: "Other mailboxes" },
                  ),
                  leftOut(mailboxes.length, opened.total),
              ]
            : null,
    );
}

function accountRow(each, box, reload) {
    const { address } = each;
    return [
        h("a", { href: hashOf(["letters"], { mailbox: address }) }, userText(address)),
        each.password
            ? copyable(each.password, `the password of ${address}`)
            : h("span", { class: "quiet" }, "not stored"),
        time(each.created),
        letters(box),
        [
            h("a", { class: "button bare", href: hashOf(["setup"], { address }) }, "Set up a client"),
            box?.letters ? iconButton("mail", `Empty ${address}`, () => empty(address, reload)) : null,
            iconButton("trash", `Remove ${address}`, () =>
                attempt(async () => {
                    if (
                        !(await confirmDialog(`Remove ${address}?`, "Remove", {
                            explanation: "The account can no longer log in or receive letters.",
                        }))
                    )
                        return;
                    await remove(`v1/accounts/${segment(address)}`);
                    notice(`${address} removed`);
                    reload();
                }),
            ),
        ],
    ];
}

function mailboxRow(each, reload) {
    return [
        h("a", { href: hashOf(["letters"], { mailbox: each.address }) }, userText(each.address)),
        letters(each),
        iconButton("trash", `Empty ${each.address}`, () => empty(each.address, reload)),
    ];
}

const letters = (box) =>
    h(
        "span",
        { class: "figure" },
        box ? `${number(box.letters ?? 0)}${box.unread ? `, ${number(box.unread)} unread` : ""}` : "0",
    );

function empty(address, reload) {
    return attempt(async () => {
        if (!(await confirmDialog(`Empty the mailbox of ${address}?`, "Empty"))) return;
        await remove(`v1/mailboxes/${segment(address)}/letters`);
        notice(`${address} is empty`);
        reload();
    });
}

function add(reload) {
    formDialog(
        "Add an account",
        [
            field("Address", "address", {
                type: "email",
                required: true,
                autocomplete: "off",
                placeholder: "dana@home.test",
                hint: "At a domain of this server.",
            }),
            field("Password", "password", { required: true, autocomplete: "off", spellcheck: "false" }),
        ],
        "Add",
        async (given) => {
            await post("v1/accounts", given);
            notice(`${given.address} added`);
            reload();
        },
    );
}
