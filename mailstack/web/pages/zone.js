/** The DNS of the environment: which names there are, and where they lead. */

import { get, part, put, remove } from "./api.js";
import { button, h, own } from "./dom.js";
import { field, formDialog, options } from "./dialogs.js";
import { iconButton } from "./icons.js";
import { kept } from "./loading.js";
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
        "The names that the offices here look up. Every name that is not listed leads to the office for the rest of the world.",
        button("Set a name", () => edit({}, [], again), { class: "primary" }),
    );
    view = kept(
        body,
        () => get("v1/zone"),
        (found) => draw(found, again),
    );
    return view.end;
}

function draw(found, again) {
    const names = found.names ?? found.zone ?? [];
    if (!names.length)
        return nothing(
            h("h2", {}, "No names of its own"),
            h("p", {}, "Set an MX record to send a domain's letters elsewhere, or to nowhere."),
        );
    return table(
        ["Name", "Type", "Value", ""],
        names.flatMap((entry) => {
            const records = entry.records ?? [entry];
            return records.map((record) => [
                own(entry.name),
                h("code", {}, record.type),
                h("code", { dir: "auto" }, String(record.value ?? record.data ?? "")),
                entry.fixed
                    ? null
                    : [
                          iconButton("compose", `Change ${entry.name}`, () =>
                              edit({ ...record, name: entry.name }, records, again),
                          ),
                          iconButton("trash", `Remove ${record.type} of ${entry.name}`, () =>
                              tried(async () => {
                                  const rest = records.filter((each) => each !== record);
                                  if (rest.length) await put(`v1/zone/${part(entry.name)}`, { records: rest });
                                  else await remove(`v1/zone/${part(entry.name)}`);
                                  notice(`${entry.name} ${record.type} removed`);
                                  again();
                              }),
                          ),
                      ],
            ]);
        }),
        { label: "Records" },
    );
}

function edit(record, others, again) {
    formDialog(
        record.name ? "Change a record" : "Set a name",
        [
            field("Name", "name", {
                required: true,
                value: record.name ?? "",
                autocomplete: "off",
                placeholder: "elsewhere.test",
                readonly: Boolean(record.name),
            }),
            field("Type", "type", { tag: "select" }, options(TYPES, record.type ?? "MX")),
            field("Value", "value", {
                required: true,
                value: record.value ?? "",
                autocomplete: "off",
                placeholder: "10 mx.elsewhere.test",
                hint: "As in a zone file. MX 0 . means that the domain takes no mail.",
            }),
        ],
        "Set",
        async ({ name, type, value }) => {
            const { name: _, ...old } = record;
            const kept = others.filter((each) => !(each.type === old.type && each.value === old.value));
            await put(`v1/zone/${part(name)}`, { records: [...kept, { type, value }] });
            notice(`${name} ${type} is set`);
            again();
        },
    );
}
