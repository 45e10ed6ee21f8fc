/** The DNS of the environment: which names there are, and where they lead. */

import { get, part, put, remove } from "./api.js";
import { button, h, userText } from "./dom.js";
import { field, formDialog, options } from "./dialogs.js";
import { iconButton } from "./icons.js";
import { kept } from "./live-view.js";
import { notice, tried } from "./notices.js";
import { nothing, pageOf, table } from "./tables.js";

const TYPES = [
    ["MX", "MX: the host for a domain's mail"],
    ["A", "A: the address of a host"],
    ["AAAA", "AAAA: the IPv6 address of a host"],
    ["TXT", "TXT: SPF, DKIM, DMARC …"],
    ["CNAME", "CNAME: another name for it"],
    ["TLSA", "TLSA: DANE"],
];

export function show(_, main) {
    let view = null;
    const again = () => view.again();
    const body = pageOf(
        main,
        "DNS zone",
        "The names that the servers here look up. Every name that is not listed leads to the server for the rest of the world.",
        button("Add a record", () => add(again), { class: "primary" }),
    );
    view = kept(
        body,
        () => get("v1/zone"),
        (found) => draw(found, again),
    );
    return view.end;
}

function draw({ names = [] }, again) {
    if (!names.length)
        return nothing(
            h("h2", {}, "No names of its own"),
            h("p", {}, "Add an MX record to send a domain's letters elsewhere, or to nowhere."),
        );
    return table(
        ["Name", "Type", "Value", ""],
        names.flatMap(({ name, records }) => records.map((record) => row(name, record, records, again))),
        { label: "Records" },
    );
}

function row(name, record, records, again) {
    const rest = records.filter((each) => each !== record);
    return [
        userText(name),
        h("code", {}, record.type),
        h("code", { dir: "auto" }, record.value),
        [
            iconButton("compose", `Change ${record.type} of ${name}`, () => change(name, record, rest, again)),
            iconButton("trash", `Remove ${record.type} of ${name}`, () =>
                tried(async () => {
                    if (rest.length) await put(`v1/zone/${part(name)}`, { records: rest });
                    else await remove(`v1/zone/${part(name)}`);
                    notice(`${name} ${record.type} removed`);
                    again();
                }),
            ),
        ],
    ];
}

function add(again) {
    const name = field("Name", "name", { required: true, autocomplete: "off", placeholder: "elsewhere.test" });
    formDialog("Add a record", [name, ...typeAndValue()], "Add", async (given) => {
        await set(given.name, given, await recordsOf(given.name), again);
    });
}

function change(name, record, rest, again) {
    formDialog(`Change ${name}`, typeAndValue(record), "Change", (given) => set(name, given, rest, again));
}

const typeAndValue = ({ type = "MX", value = "" } = {}) => [
    field("Type", "type", { tag: "select" }, options(TYPES, type)),
    field("Value", "value", {
        required: true,
        value,
        autocomplete: "off",
        placeholder: "10 mx.elsewhere.test",
        hint: "As in a zone file. MX 0 . means that the domain takes no mail.",
    }),
];

/** Those that a name has; none, where it is not in the zone. */
async function recordsOf(name) {
    try {
        return (await get(`v1/zone/${part(name)}`)).records;
    } catch (error) {
        if (error.status === 404) return [];
        throw error;
    }
}

/** Gives a name a record beside its others. */
async function set(name, { type, value }, others, again) {
    await put(`v1/zone/${part(name)}`, { records: [...others, { type, value }] });
    notice(`${name} ${type} is set`);
    again();
}
