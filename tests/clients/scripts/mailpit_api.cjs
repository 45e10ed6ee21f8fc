// The npm package mailpit-api, unchanged: node mailpit_api.cjs URL. Every call of it, and what it must find.
const assert = require("node:assert/strict");
const { MailpitClient } = require("mailpit-api");

async function main() {
    const mailpit = new MailpitClient(process.argv[2]);
    await mailpit.deleteMessages();
    const { ID } = await mailpit.sendMessage({
        From: { Email: "jane@a.test", Name: "Jané" },
        To: [{ Email: "carol@elsewhere.test", Name: "Carol" }],
        Bcc: ["dave@elsewhere.test"],
        Subject: "one two",
        Text: "Hello, your code is 123456.",
        HTML: "<p>Hello</p>",
        Tags: ["first"],
        Attachments: [{ Content: Buffer.from("octets").toString("base64"), Filename: "ä.txt" }],
    });
    const message = await mailpit.waitForMessage({ query: 'subject:"one two" to:carol@elsewhere.test' });
    assert.equal(message.ID, ID);
    assert.deepEqual(message.From, { Name: "Jané", Address: "jane@a.test" });
    assert.deepEqual(message.Bcc, [{ Name: "", Address: "dave@elsewhere.test" }]);
    assert.deepEqual(message.Tags, ["first"]);
    const [attachment] = message.Attachments;
    assert.equal(attachment.FileName, "ä.txt");
    assert.equal(await (await mailpit.getMessageAttachment(ID, attachment.PartID)).text(), "octets");
    assert.deepEqual((await mailpit.getMessageHeaders(ID)).Subject, ["one two"]);
    assert.match(await mailpit.getMessageSource(ID), /^Subject: one two\r$/m);
    assert.equal((await mailpit.renderMessageHTML(ID)).trim(), "<p>Hello</p>");
    assert.match(await mailpit.renderMessageText(ID), /123456/);

    assert.equal(await mailpit.releaseMessage(ID, ["erin@elsewhere.test"]), "ok");
    assert.equal((await mailpit.waitForMessages({ query: "addressed:erin@elsewhere.test", count: 1, exact: true })).messages.length, 1);
    const list = await mailpit.listMessages(0, 1);
    assert.deepEqual([list.total, list.count, list.messages_count], [2, 1, 2]);

    await mailpit.setReadStatus({ IDs: [ID], Read: false });
    assert.equal((await mailpit.searchMessages({ query: "is:unread" })).messages_count, 2);
    await mailpit.setReadStatus({ Search: "is:unread", Read: true }, { tz: "Europe/Berlin" });
    assert.equal((await mailpit.listMessages()).unread, 0);

    await mailpit.setTags({ IDs: [ID], Tags: ["second"] });
    await mailpit.renameTag("second", "third");
    assert.ok((await mailpit.getTags()).includes("third"));
    await mailpit.deleteTag("third");
    assert.ok(!(await mailpit.getTags()).includes("third"));

    assert.equal((await mailpit.getInfo()).Messages, 2);
    assert.equal(typeof (await mailpit.getConfiguration()).ChaosEnabled, "boolean");
    await mailpit.deleteMessagesBySearch({ query: "addressed:erin@elsewhere.test" });
    assert.equal((await mailpit.listMessages()).total, 1);
    await mailpit.deleteMessages({ IDs: [ID] });
    assert.equal((await mailpit.listMessages()).total, 0);
}

main().catch((error) => { console.error(error); process.exit(1); });
