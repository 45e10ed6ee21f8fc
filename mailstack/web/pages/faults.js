/** The faults: what goes wrong on purpose, set and cleared in the words of mail. */

import { get, part, post, remove } from "./api.js";
import { button, h, userText } from "./dom.js";
import { field, formDialog, options } from "./dialogs.js";
import { ACTIONS, READY, STEPS, sentence } from "./fault-texts.js";
import { icon, iconButton } from "./icons.js";
import { kept } from "./live-view.js";
import { notice, tried } from "./notices.js";
import { nothing, pageOf, table } from "./tables.js";

export function show(_, main) {
    let view = null;
    const again = () => view.again();
    const body = pageOf(
        main,
        "Faults",
        "Let something go wrong, and watch what your program and the queue make of it. A fault holds until you end it, or until it happened as often as you said.",
        button("Set a fault", () => edit({ at: "rcpt", reply: "451 4.3.0 not now" }, again), { class: "primary" }),
    );
    view = kept(
        body,
        () => get("v1/faults"),
        (found) => draw(found.faults ?? [], again),
        ["fault"],
    );
    return view.end;
}

function draw(faults, again) {
    return h(
        "div",
        { class: "stack" },
        faults.length
            ? [
                  table(
                      ["Fault", "Happened", ""],
                      faults.map((each) => [
                          userText(sentence(each)),
                          h("span", { class: "figure" }, often(each)),
                          iconButton("trash", `End: ${sentence(each)}`, () => end(each, again), {
                              "data-key": each.id,
                          }),
                      ]),
                      { label: "Faults that are on" },
                  ),
                  faults.length > 1
                      ? h(
                            "p",
                            {},
                            button("End all", () =>
                                tried(async () => {
                                    await remove("v1/faults");
                                    notice("Nothing goes wrong any more");
                                    again();
                                }),
                            ),
                        )
                      : null,
              ]
            : nothing(h("h2", {}, "Nothing goes wrong"), h("p", {}, "Choose what shall.")),
        h("h2", {}, "Ready made"),
        h(
            "ul",
            { class: "cards ready" },
            READY.map(([name, about, rule]) =>
                h(
                    "li",
                    {},
                    h(
                        "button",
                        {
                            type: "button",
                            class: "card",
                            "aria-label": `${name}: ${about}`,
                            onclick: () => edit(rule, again, name),
                        },
                        h("strong", {}, icon("faults"), name),
                        h("span", { class: "quiet" }, about),
                    ),
                ),
            ),
        ),
    );
}

function often({ fired = 0, times }) {
    if (times) return `${fired} of ${times}`;
    return fired === 1 ? "once" : fired ? `${fired} times` : "not yet";
}

function end(fault, again) {
    return tried(async () => {
        await remove(`v1/faults/${part(fault.id)}`);
        const { fired: _, id: __, ...rule } = fault;
        notice("The fault has ended", {
            action: {
                words: "Undo",
                run: () =>
                    tried(async () => {
                        await post("v1/faults", rule);
                        again();
                    }),
            },
        });
        again();
    });
}

/** The form of a rule, which begins as a ready-made one. */
function edit(rule, again, title = "Set a fault") {
    const [action] = ACTIONS.find(([name]) => rule[name]) ?? ACTIONS[0];
    const value = rule[action] === true ? "" : [rule[action]].flat().join(", ");
    const what = field(
        "What happens",
        "action",
        { tag: "select" },
        options(
            ACTIONS.map(([name, words]) => [name, words]),
            action,
        ),
    );
    const how = field("Exactly", "value", { value, autocomplete: "off", spellcheck: "false" });
    what.querySelector("select").addEventListener("change", (event) => {
        const example = ACTIONS.find(([name]) => name === event.target.value)[2];
        how.querySelector("input").value = example;
        how.hidden = !example;
    });
    how.hidden = action === "silence";
    formDialog(
        title,
        [
            field("Where", "at", { tag: "select" }, options(STEPS, rule.at)),
            h("div", { class: "grid2" }, what, how),
            h(
                "div",
                { class: "grid2" },
                field("For recipients", "recipient", {
                    placeholder: "all; or *@elsewhere.test",
                    autocomplete: "off",
                    value: rule.recipient ?? "",
                }),
                field("From senders", "sender", {
                    placeholder: "all; or alice@*",
                    autocomplete: "off",
                    value: rule.sender ?? "",
                }),
            ),
            h(
                "div",
                { class: "grid2" },
                field(
                    "Service",
                    "service",
                    { tag: "select" },
                    options(
                        [
                            ["", "every"],
                            ["mx", "mx: other hosts call it"],
                            ["submission", "submission"],
                            ["submissions", "submissions"],
                            ["pop3", "pop3"],
                            ["pop3s", "pop3s"],
                            ["smtp", "capture"],
                        ],
                        rule.service ?? "",
                    ),
                ),
                field("How often", "times", { type: "number", min: 1, placeholder: "always", value: rule.times ?? "" }),
            ),
        ],
        "Set",
        async (given) => {
            await post("v1/faults", made(given));
            notice("The fault is set");
            again();
        },
    );
}

/** The rule that the form says. */
function made({ at, action, value, recipient, sender, service, times }) {
    const what =
        action === "silence" ? true : action === "without" ? value.split(",").map((each) => each.trim()) : value;
    const rule = { at, [action]: what };
    for (const [name, text] of Object.entries({ recipient, sender, service })) if (text) rule[name] = text;
    if (times) rule.times = Number(times);
    return rule;
}
