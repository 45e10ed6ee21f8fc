/** What an empty inbox teaches: lines that send a first letter, with this environment's real ports. */

import { get } from "./api.js";
import { fill, h } from "./dom.js";
import { copyButton } from "./copying.js";

/** The page of an inbox without letters; `mailbox` is the one that is shown, if one is. */
export function lesson(mailbox) {
    const lines = h("div", { class: "lesson" });
    fillIn(lines, mailbox || "bob@home.test").catch(() => {});
    return h(
        "section",
        { class: "empty" },
        h("h1", {}, mailbox ? "No letter here yet" : "Your first letter"),
        h(
            "p",
            {},
            "Send one with what you have, or point your program's mail settings here. Any address works, and nothing ever leaves this machine. It will show up by itself.",
        ),
        lines,
    );
}

async function fillIn(lines, to) {
    const { offices = [] } = await get("v1/offices");
    const at = offices.find((each) => each.services.capture)?.services.capture ?? { host: location.hostname, port: 25 };
    const [host, port] = [at.host, at.port];
    const letter = `From: app@example.test\\r\\nTo: ${to}\\r\\nSubject: Hello\\r\\n\\r\\nIt works.\\r\\n`;
    const lessons = [
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
        lines,
        h(
            "dl",
            { class: "facts" },
            h("div", {}, h("dt", {}, "SMTP server"), h("dd", {}, h("code", {}, host))),
            h("div", {}, h("dt", {}, "Port"), h("dd", {}, h("code", {}, String(port)))),
            h("div", {}, h("dt", {}, "Login, TLS"), h("dd", {}, "none needed")),
        ),
        lessons.map(([name, line]) =>
            h(
                "figure",
                {},
                h("figcaption", {}, name, copyButton(line, `the line for ${name}`)),
                h("pre", { tabindex: "0" }, h("code", {}, line)),
            ),
        ),
    );
}
