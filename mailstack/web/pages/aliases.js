/** The aliases: addresses that lead to others. */

import { get, part, post, remove } from "./api.js";
import { words } from "./actions.js";
import { button, h, userText } from "./dom.js";
import { field, formDialog } from "./dialogs.js";
import { iconButton } from "./icons.js";
import { kept } from "./live-view.js";
import { notice, tried } from "./notices.js";
import { leftOut, nothing, pageOf, table } from "./tables.js";

export function show(_, main) {
    let view = null;
    const again = () => view.again();
    const body = pageOf(
        main,
        "Aliases",
        "An alias has no mailbox: what comes for it goes to its targets.",
        button("Add an alias", () => add(again), { class: "primary" }),
    );
    view = kept(
        body,
        () => get("v1/aliases"),
        (found) => draw(found, again),
    );
    return view.end;
}

function draw({ aliases, total }, again) {
    if (!aliases.length) {
        return nothing(
            h("h2", {}, "No aliases"),
            h(
                "p",
                {},
                "With one, sales@home.test can reach alice and bob, and a whole domain one mailbox (@home.test).",
            ),
        );
    }
    const shown = table(
        ["Alias", "Leads to", ""],
        aliases.map((each) => [
            userText(each.address),
            each.targets.map((target, index) => [index ? ", " : "", userText(target)]),
            iconButton("trash", `Remove ${each.address}`, () =>
                tried(async () => {
                    await remove(`v1/aliases/${part(each.address)}`);
                    notice(`${each.address} removed`, {
                        action: {
                            words: "Undo",
                            run: () =>
                                tried(async () => {
                                    await post("v1/aliases", each);
                                    again();
                                }),
                        },
                    });
                    again();
                }),
            ),
        ]),
        { label: "Aliases" },
    );
    return h("div", { class: "stack" }, shown, leftOut(aliases.length, total));
}

function add(again) {
    formDialog(
        "Add an alias",
        [
            field("Alias", "address", { required: true, autocomplete: "off", placeholder: "sales@home.test" }),
            field("Leads to", "targets", {
                required: true,
                autocomplete: "off",
                placeholder: "alice@home.test, bob@home.test",
                hint: "Several with commas between.",
            }),
        ],
        "Add",
        async ({ address, targets }) => {
            await post("v1/aliases", { address, targets: words(targets) });
            again();
        },
    );
}
