/** What an empty inbox teaches: lines that send a first letter, with this environment's real ports. */

import { get } from "./api.js";
import { fill, h } from "./dom.js";
import { copyButton } from "./copy.js";

const PLAIN = /^[\w.+-]+@[\w.-]+$/; // an address that means to a shell, and to Python, no more than itself

/** What stands in an inbox without letters; `mailbox` is the one that is shown, if one is. */
export function hint(mailbox) {
    const place = h(
        "section",
        { class: "empty" },
        h("h1", {}, "No letter here yet"),
        h("p", {}, "A letter shows up here by itself, as it comes."),
    );
    fillIn(place, mailbox).catch(() => {});
    return place;
}

/** Only where a port takes any letter is there something to try; a server has none, and tells its users of no ports. */
async function fillIn(place, mailbox) {
    const { servers } = await get("v1/servers");
    const capture = servers.map((each) => each.services.capture).find(Boolean);
    if (!capture) return;
    const { host, port } = capture;
    const to = PLAIN.test(mailbox) ? mailbox : "bob@home.test";
    const letter = `From: app@example.test\\r\\nTo: ${to}\\r\\nSubject: Hello\\r\\n\\r\\nIt works.\\r\\n`;
    const examples = [
        ["mailstack", `mailstack send --to ${to} --subject Hello --body 'It works.'`],
        [
            "swaks",
            `swaks --server ${host}:${port} --from app@example.test --to ${to} --header 'Subject: Hello' --body 'It works.'`,
        ],
        [
            "curl",
            `printf '${letter}' | curl smtp://${host}:${port} --mail-from app@example.test --mail-rcpt ${to} -T -`,
        ],
        [
            "Python",
            `python3 -c "import smtplib; smtplib.SMTP('${host}', ${port}).sendmail('app@example.test', ['${to}'], 'Subject: Hello\\n\\nIt works.')"`,
        ],
    ];
    fill(
        place,
        h("h1", {}, mailbox ? "No letter here yet" : "Your first letter"),
        h(
            "p",
            {},
            "Send one with what you have, or point your program's mail settings here. Any address works, and nothing ever leaves this machine. It will show up by itself.",
        ),
        h(
            "div",
            { class: "hint-card" },
            h(
                "dl",
                { class: "facts" },
                h("div", {}, h("dt", {}, "SMTP server"), h("dd", {}, h("code", {}, host))),
                h("div", {}, h("dt", {}, "Port"), h("dd", {}, h("code", {}, String(port)))),
                h("div", {}, h("dt", {}, "Login, TLS"), h("dd", {}, "none needed")),
            ),
            examples.map(([name, line]) =>
                h(
                    "figure",
                    {},
                    h("figcaption", {}, name, copyButton(line, `the line for ${name}`)),
                    h("pre", { tabindex: "0" }, h("code", {}, line)),
                ),
            ),
        ),
    );
}
