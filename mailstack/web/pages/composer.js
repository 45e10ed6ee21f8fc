/** Dialog for a new letter or a reply. */

import { senders, words } from "./actions.js";
import { post } from "./api.js";
import { h } from "./dom.js";
import { field, formDialog, options } from "./dialogs.js";
import { exact, nameOf, size } from "./format.js";
import { notice } from "./notices.js";
import { go } from "./routes.js";

const MAX_QUOTED = 20_000; // characters
const MAX_ATTACHED = 20_000_000; // octets of all files

/** Opens the dialog with the given values. */
export async function openComposer({ from, to = "", cc = "", subject = "", text = "", in_reply_to = null }) {
    const accounts = await senders();
    const chosen = accounts.find((each) => each.toLowerCase() === from?.toLowerCase()) ?? accounts[0];
    const files = field("Files", "files", { type: "file", multiple: true });
    const dialog = formDialog(
        in_reply_to ? "Reply" : "Write a letter",
        [
            field(
                "From",
                "from",
                { tag: "select", required: true },
                options(
                    accounts.map((each) => [each, each]),
                    chosen,
                ),
            ),
            field("To", "to", {
                required: true,
                autofocus: true,
                value: to,
                autocomplete: "off",
                placeholder: "carol@elsewhere.test",
                hint: "Separate several with commas. Any domain works in the dev environment.",
            }),
            h(
                "details",
                { open: Boolean(cc) },
                h("summary", {}, "Cc and Bcc"),
                h(
                    "div",
                    { class: "fields" },
                    field("Cc", "cc", { value: cc, autocomplete: "off" }),
                    field("Bcc", "bcc", { autocomplete: "off" }),
                ),
            ),
            field("Subject", "subject", { value: subject, dir: "auto", autocomplete: "off" }),
            field("Text", "text", { tag: "textarea", dir: "auto", rows: 10, value: text }),
            files,
        ],
        "Send",
        async (given, form) => {
            const attachments = await read([...form.elements.files.files]);
            const { id } = await post("v1/letters", {
                from: given.from,
                to: words(given.to),
                cc: words(given.cc ?? ""),
                bcc: words(given.bcc ?? ""),
                subject: given.subject,
                text: given.text,
                attachments,
                in_reply_to,
            });
            notice("Sent", { action: { words: "Show journey", run: () => go(["journey", id]) } });
        },
        { wide: true },
    );
    if (to) {
        const area = dialog.querySelector("textarea");
        area.focus();
        area.setSelectionRange(0, 0);
        area.scrollTop = 0;
    }
}

/** Initial values of a reply. */
export function replyDraft(letter) {
    const back = letter.reply_to?.length ? [letter.reply_to].flat() : [letter.from].filter(Boolean);
    const quoted = (letter.text ?? "")
        .slice(0, MAX_QUOTED)
        .replace(/\s+$/, "")
        .split("\n")
        .map((line) => `> ${line}`)
        .join("\n");
    return {
        from: letter.recipients?.[0]?.address,
        to: back.map((each) => each.address).join(", ") || letter.sender || "",
        subject: /^re:/i.test(letter.subject) ? letter.subject : `Re: ${letter.subject}`,
        text: `\n\n${exact(letter.date || letter.arrived)}, ${nameOf(letter.from)}:\n${quoted}\n`,
        in_reply_to: letter.id,
    };
}

async function read(files) {
    if (files.reduce((sum, file) => sum + file.size, 0) > MAX_ATTACHED)
        throw new Error(`The files are too large: the limit is ${size(MAX_ATTACHED)} in total.`);
    return Promise.all(
        files.map(async (file) => ({
            name: file.name,
            type: file.type || "application/octet-stream",
            content: await base64(file),
        })),
    );
}

function base64(file) {
    return new Promise((resolve, reject) => {
        const reader = new FileReader();
        reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
        reader.onerror = () => reject(new Error(`${file.name} can't be read.`));
        reader.readAsDataURL(file);
    });
}
