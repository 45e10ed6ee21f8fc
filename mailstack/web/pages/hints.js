/** Hints for an empty inbox: commands that send a letter to the ports of this environment. */

import { get } from "./api.js";
import { fill, h } from "./dom.js";
import { copyButton } from "./copy.js";

const UNQUOTED = /^[\w.+-]+@[\w.-]+$/; // addresses that need no quoting in a shell or in Python

/** Content of an empty inbox; `mailbox` is the mailbox that is shown, if any. */
export function hint(mailbox) {
    const place = h(
        "section",
        { class: "empty" },
        h("h1", {}, "No letter here yet"),
        h("p", {}, "New letters appear here automatically."),
    );
    fillIn(place, mailbox).catch(() => {});
    return place;
}

/** Adds examples if there is a capture port; other servers have none. */
async function fillIn(place, mailbox) {
    const { servers } = await get("v1/servers");
    const capture = servers.map((each) => each.services.capture).find(Boolean);
    if (!capture) return;
    const { host, port } = capture;
    const to = UNQUOTED.test(mailbox) ? mailbox : "bob@home.test";
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
            "Send one with a command below, or point your program's mail settings here. Any address works, and nothing leaves this machine.",
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
