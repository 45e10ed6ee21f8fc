/** The accounts: add, change the password, remove; and the mailboxes that opened by themselves. */

import { get, part, post, remove } from "./api.js";
import { copyable } from "./copy.js";
import { button, h, userText } from "./dom.js";
import { confirmed, field, formDialog } from "./dialogs.js";
import { number, time } from "./format.js";
import { iconButton } from "./icons.js";
import { kept } from "./live-view.js";
import { notice, tried } from "./notices.js";
import { to } from "./routes.js";
import { leftOut, nothing, pageOf, table } from "./tables.js";

export function show(_, main) {
    let view = null;
    const body = pageOf(
        main,
        "Accounts",
        "Who can log in, to send and to fetch. In the dev environment every other address has a mailbox too, from its first letter on; its password is the address.",
        button("Add an account", () => add(() => view.again()), { class: "primary" }),
    );
    view = kept(
        body,
        () => Promise.all([get("v1/accounts"), get("v1/mailboxes")]),
        (found) => draw(found, () => view.again()),
        ["letter", "deleted"],
    );
    return view.end;
}

function draw([known, opened], again) {
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
                  accounts.map((each) => account(each, boxes.get(each.address), again)),
                  { label: "Accounts" },
              )
            : nothing(h("p", {}, "There are no accounts.")),
        leftOut(accounts.length, known.total),
        others.length
            ? [
                  h("h2", {}, "Other mailboxes"),
                  table(
                      ["Address", "Letters", ""],
                      others.map((each) => mailbox(each, again)),
                      { label: "Other mailboxes" },
                  ),
                  leftOut(mailboxes.length, opened.total),
              ]
            : null,
    );
}

function account(each, box, again) {
    const { address } = each;
    return [
        h("a", { href: to(["letters"], { mailbox: address }) }, userText(address)),
        each.password
            ? copyable(each.password, `the password of ${address}`)
            : h("span", { class: "quiet" }, "known to its owner"),
        time(each.created),
        letters(box),
        [
            h("a", { class: "button bare", href: to(["setup"], { address }) }, "Set up a client"),
            box?.letters ? iconButton("mail", `Empty ${address}`, () => empty(address, again)) : null,
            iconButton("trash", `Remove ${address}`, () =>
                tried(async () => {
                    if (
                        !(await confirmed(`Remove ${address}?`, "Remove", {
                            explanation: "Nobody can log in by it any more, and it takes no more letters.",
                        }))
                    )
                        return;
                    await remove(`v1/accounts/${part(address)}`);
                    notice(`${address} removed`);
                    again();
                }),
            ),
        ],
    ];
}

function mailbox(each, again) {
    return [
        h("a", { href: to(["letters"], { mailbox: each.address }) }, userText(each.address)),
        letters(each),
        iconButton("trash", `Empty ${each.address}`, () => empty(each.address, again)),
    ];
}

const letters = (box) =>
    h(
        "span",
        { class: "figure" },
        box ? `${number(box.letters ?? 0)}${box.unread ? `, ${number(box.unread)} unread` : ""}` : "0",
    );

function empty(address, again) {
    return tried(async () => {
        if (!(await confirmed(`Empty the mailbox of ${address}?`, "Empty"))) return;
        await remove(`v1/mailboxes/${part(address)}/letters`);
        notice(`${address} is empty`);
        again();
    });
}

function add(again) {
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
            notice(`${given.address} can log in now`);
            again();
        },
    );
}
