/** DNS zone page: records of the environment. */

import { get, segment, put, remove } from "./api.js";
import { button, h, userText } from "./dom.js";
import { field, formDialog, options } from "./dialogs.js";
import { iconButton } from "./icons.js";
import { liveView } from "./live-view.js";
import { notice, attempt } from "./notices.js";
import { nothing, pageBody, table } from "./tables.js";

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
    const reload = () => view.reload();
    const body = pageBody(
        main,
        "DNS zone",
        "DNS records that the servers look up. Any other name resolves to the server for all other domains.",
        button("Add a record", () => add(reload), { class: "primary" }),
    );
    view = liveView(
        body,
        () => get("v1/zone"),
        (found) => draw(found, reload),
    );
    return view.close;
}

function draw({ names = [] }, reload) {
    if (!names.length)
        return nothing(
            h("h2", {}, "No records"),
            h("p", {}, "Add an MX record to send a domain's letters to another host, or to none."),
        );
    return table(
        ["Name", "Type", "Value", ""],
        names.flatMap(({ name, records }) => records.map((record) => row(name, record, records, reload))),
        { label: "Records" },
    );
}

function row(name, record, records, reload) {
    const rest = records.filter((each) => each !== record);
    return [
        userText(name),
        h("code", {}, record.type),
        h("code", { dir: "auto" }, record.value),
        [
            iconButton("compose", `Change ${record.type} of ${name}`, () => change(name, record, rest, reload)),
            iconButton("trash", `Remove ${record.type} of ${name}`, () =>
                attempt(async () => {
                    if (rest.length) await put(`v1/zone/${segment(name)}`, { records: rest });
                    else await remove(`v1/zone/${segment(name)}`);
                    notice(`${name} ${record.type} removed`);
                    reload();
                }),
            ),
        ],
    ];
}

function add(reload) {
    const name = field("Name", "name", { required: true, autocomplete: "off", placeholder: "elsewhere.test" });
    formDialog("Add a record", [name, ...typeAndValue()], "Add", async (given) => {
        await set(given.name, given, await recordsOf(given.name), reload);
    });
}

function change(name, record, rest, reload) {
    formDialog(`Change ${name}`, typeAndValue(record), "Change", (given) => set(name, given, rest, reload));
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

/** Records of a name; empty if it is not in the zone. */
async function recordsOf(name) {
    try {
        return (await get(`v1/zone/${segment(name)}`)).records;
    } catch (error) {
        if (error.status === 404) return [];
        throw error;
    }
}

/** Adds a record to the others of a name. */
async function set(name, { type, value }, others, reload) {
    await put(`v1/zone/${segment(name)}`, { records: [...others, { type, value }] });
    notice(`${name} ${type} set`);
    reload();
}
