// The npm package mailhog, unchanged: node mailhog.cjs PORT, when one letter from alice to bob and carol is there.
const assert = require("node:assert/strict");
const mailhog = require("mailhog")({ host: "127.0.0.1", port: Number(process.argv[2]) });

async function main() {
    const all = await mailhog.messages(0, 10);
    assert.deepEqual([all.total, all.count, all.start], [1, 1, 0]);
    const [letter] = all.items;
    assert.equal(letter.subject, "Grüße");
    assert.equal(letter.from, "Alice <alice@home.test>");
    assert.equal(letter.text.trim(), "Hällo");
    assert.equal(letter.html.trim(), "<p>Hällo</p>");
    assert.equal(letter.date.getUTCFullYear(), 2026);
    assert.equal(letter.attachments.length, 0);
    for (const found of [await mailhog.latestFrom("alice@home.test"), await mailhog.latestTo("carol@elsewhere.test"), await mailhog.latestContaining("Grüße")])
        assert.equal(found.ID, letter.ID);
    assert.equal((await mailhog.search("nobody", "to")).total, 0);
    await mailhog.releaseMessage(letter.ID, { host: "localhost", port: "1025", email: "erin@elsewhere.test" });
    assert.equal((await mailhog.latestTo("erin@elsewhere.test")).subject, "Grüße");
    await mailhog.deleteMessage(letter.ID);
    assert.equal((await mailhog.messages()).total, 1);
    await mailhog.deleteAll();
    assert.equal((await mailhog.messages()).total, 0);
}

main().catch((error) => { console.error(error); process.exit(1); });
