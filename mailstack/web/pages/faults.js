/** Faults page: active fault rules, presets, and a form for rules. */

import { get, segment, post, remove } from "./api.js";
import { button, h, userText } from "./dom.js";
import { field, formDialog, options } from "./dialogs.js";
import { ACTIONS, PRESETS, STEPS, sentence } from "./fault-texts.js";
import { icon, iconButton } from "./icons.js";
import { liveView } from "./live-view.js";
import { notice, attempt } from "./notices.js";
import { nothing, pageBody, table } from "./tables.js";

export function show(_, main) {
    let view = null;
    const reload = () => view.reload();
    const body = pageBody(
        main,
        "Faults",
        "Inject a fault, and see how your program and the queue handle it. A fault is active until you remove it, or until it has happened the given number of times.",
        button("Set a fault", () => edit({ at: "rcpt", reply: "451 4.3.0 not now" }, reload), { class: "primary" }),
    );
    view = liveView(
        body,
        () => get("v1/faults"),
        (found) => draw(found.faults ?? [], reload),
        ["fault"],
    );
    return view.close;
}

function draw(faults, reload) {
    return h(
        "div",
        { class: "stack" },
        faults.length
            ? [
                  table(
                      ["Fault", "Happened", ""],
                      faults.map((each) => [
                          userText(sentence(each)),
                          h("span", { class: "figure" }, countText(each)),
                          iconButton("trash", `End: ${sentence(each)}`, () => removeFault(each, reload), {
                              "data-key": each.id,
                          }),
                      ]),
                      { label: "Active faults" },
                  ),
                  faults.length > 1
                      ? h(
                            "p",
                            {},
                            button("End all", () =>
                                attempt(async () => {
                                    await remove("v1/faults");
                                    notice("All faults removed");
                                    reload();
                                }),
                            ),
                        )
                      : null,
              ]
            : nothing(h("h2", {}, "Nothing goes wrong"), h("p", {}, "Choose a preset below, or set a fault.")),
        h("h2", {}, "Presets"),
        h(
            "ul",
            { class: "cards ready" },
            PRESETS.map(([name, about, rule]) =>
                h(
                    "li",
                    {},
                    h(
                        "button",
                        {
                            type: "button",
                            class: "card",
                            "aria-label": `${name}: ${about}`,
                            onclick: () => edit(rule, reload, name),
                        },
                        h("strong", {}, icon("faults"), name),
                        h("span", { class: "quiet" }, about),
                    ),
                ),
            ),
        ),
    );
}

function countText({ fired = 0, times }) {
    if (times) return `${fired} of ${times}`;
    return fired === 1 ? "once" : fired ? `${fired} times` : "not yet";
}

function removeFault(fault, reload) {
    return attempt(async () => {
        await remove(`v1/faults/${segment(fault.id)}`);
        const { fired: _, id: __, ...rule } = fault;
        notice("Fault removed", {
            action: {
                words: "Undo",
                run: () =>
                    attempt(async () => {
                        await post("v1/faults", rule);
                        reload();
                    }),
            },
        });
        reload();
    });
}

/** Opens the form of a rule with the values of another. */
function edit(rule, reload, title = "Set a fault") {
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
    const how = field("Value", "value", { value, autocomplete: "off", spellcheck: "false" });
    what.querySelector("select").addEventListener("change", (event) => {
        const example = ACTIONS.find(([name]) => name === event.target.value)[2];
        how.querySelector("input").value = example;
        how.hidden = !example;
    });
    how.hidden = !ACTIONS.find(([name]) => name === action)[2];
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
                            ["mx", "mx: mail from other hosts"],
                            ["submission", "submission"],
                            ["submissions", "submissions"],
                            ["pop3", "pop3"],
                            ["pop3s", "pop3s"],
                            ["imap", "imap"],
                            ["imaps", "imaps"],
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
            await post("v1/faults", ruleFrom(given));
            notice("Fault set");
            reload();
        },
    );
}

/** Value of an effect, as JSON has it. */
function valueOf(action, value) {
    const example = ACTIONS.find(([name]) => name === action)[2];
    if (!example) return true;
    if (action === "without") return value.split(",").map((each) => each.trim());
    return action === "exists" || action === "literals" ? Number(value) : value;
}

/** Rule from the values of the form. */
function ruleFrom({ at, action, value, recipient, sender, service, times }) {
    const rule = { at, [action]: valueOf(action, value) };
    for (const [name, text] of Object.entries({ recipient, sender, service })) if (text) rule[name] = text;
    if (times) rule.times = Number(times);
    return rule;
}
