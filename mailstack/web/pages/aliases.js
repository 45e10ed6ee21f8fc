/** Aliases page. */

import { get, segment, post, remove } from "./api.js";
import { words } from "./actions.js";
import { button, h, userText } from "./dom.js";
import { field, formDialog } from "./dialogs.js";
import { iconButton } from "./icons.js";
import { liveView } from "./live-view.js";
import { notice, attempt } from "./notices.js";
import { leftOut, nothing, pageBody, table } from "./tables.js";

export function show(_, main) {
    let view = null;
    const reload = () => view.reload();
    const body = pageBody(
        main,
        "Aliases",
        "An alias has no mailbox: its letters go to its targets.",
        button("Add an alias", () => add(reload), { class: "primary" }),
    );
    view = liveView(
        body,
        () => get("v1/aliases"),
        (found) => draw(found, reload),
    );
    return view.close;
}

function draw({ aliases, total }, reload) {
    if (!aliases.length) {
        return nothing(
            h("h2", {}, "No aliases"),
            h(
                "p",
                {},
                "An alias can send sales@home.test to alice and bob, or a whole domain (@home.test) to one mailbox.",
            ),
        );
    }
    const shown = table(
        ["Alias", "Leads to", ""],
        aliases.map((each) => [
            userText(each.address),
            each.targets.map((target, index) => [index ? ", " : "", userText(target)]),
            iconButton("trash", `Remove ${each.address}`, () =>
                attempt(async () => {
                    await remove(`v1/aliases/${segment(each.address)}`);
                    notice(`${each.address} removed`, {
                        action: {
                            words: "Undo",
                            run: () =>
                                attempt(async () => {
                                    await post("v1/aliases", each);
                                    reload();
                                }),
                        },
                    });
                    reload();
                }),
            ),
        ]),
        { label: "Aliases" },
    );
    return h("div", { class: "stack" }, shown, leftOut(aliases.length, total));
}

function add(reload) {
    formDialog(
        "Add an alias",
        [
            field("Alias", "address", { required: true, autocomplete: "off", placeholder: "sales@home.test" }),
            field("Leads to", "targets", {
                required: true,
                autocomplete: "off",
                placeholder: "alice@home.test, bob@home.test",
                hint: "Separate several with commas.",
            }),
        ],
        "Add",
        async ({ address, targets }) => {
            await post("v1/aliases", { address, targets: words(targets) });
            reload();
        },
    );
}
