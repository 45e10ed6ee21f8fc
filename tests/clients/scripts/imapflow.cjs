// imapflow reads, flags, moves and appends, and waits for a new message: node imapflow.cjs PORT CAFILE CAPTUREPORT
const fs = require("node:fs");
const net = require("node:net");
const assert = require("node:assert");
const { ImapFlow } = require("imapflow");

const [port, caFile, capture] = process.argv.slice(2);

function send(subject) {
    const lines = ["EHLO x", "MAIL FROM:<a@x.test>", "RCPT TO:<bob@home.test>", "DATA",
        `Subject: ${subject}\r\n\r\nHello\r\n.`, "QUIT"];
    return new Promise((resolve, reject) => {
        const socket = net.connect(Number(capture), "127.0.0.1");
        let next = 0;
        socket.on("data", (data) => {
            if (/^\d{3} [^\n]*\n$/m.test(data.toString()) && next < lines.length) socket.write(`${lines[next++]}\r\n`);
        });
        socket.on("close", resolve);
        socket.on("error", reject);
    });
}

async function main() {
    const client = new ImapFlow({
        host: "localhost", port: Number(port), secure: true, logger: false,
        tls: { ca: fs.readFileSync(caFile) }, auth: { user: "bob", pass: "bob" },
    });
    await client.connect();
    const uses = (await client.list()).map((folder) => folder.specialUse);
    for (const use of ["\\Drafts", "\\Sent", "\\Junk", "\\Trash", "\\Archive"]) assert.ok(uses.includes(use), use);
    await client.mailboxCreate("Grüße/Æ & more");
    assert.ok((await client.list()).some((folder) => folder.path === "Grüße/Æ & more"));
    const lock = await client.getMailboxLock("INBOX");
    try {
        const grown = new Promise((resolve) => client.on("exists", resolve));
        client.idle().catch(() => {});
        await send("news");
        await grown;
        const [uid] = await client.search({ subject: "news" }, { uid: true });
        const message = await client.fetchOne(String(uid), { envelope: true, bodyStructure: true, source: true }, { uid: true });
        assert.equal(message.envelope.subject, "news");
        assert.match(message.source.toString(), /Hello/);
        assert.ok(await client.messageFlagsAdd(String(uid), ["\\Flagged", "$label"], { uid: true }));
        const moved = await client.messageMove(String(uid), "Archive", { uid: true });
        assert.equal(moved.uidMap.size, 1);
        const appended = await client.append("Sent", "Subject: sent\r\n\r\nHi\r\n", ["\\Seen"]);
        assert.ok(appended.uid > 0);
    } finally {
        lock.release();
    }
    const status = await client.status("Archive", { messages: true, unseen: true, highestModseq: true });
    assert.equal(status.messages, 1);
    await client.mailboxDelete("Grüße/Æ & more");
    await client.logout();
}

main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
