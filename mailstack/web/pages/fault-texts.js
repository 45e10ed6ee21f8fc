/** Texts of faults: presets, fields, and a rule as a sentence. No DOM. */

/** Presets: name, description, rule. */
export const PRESETS = [
    ["Mailbox full", "The host defers letters (452).", { at: "rcpt", service: "mx", reply: "452 4.2.2 mailbox full" }],
    [
        "No such mailbox",
        "The host refuses the recipient (550); the sender gets a bounce.",
        { at: "rcpt", service: "mx", reply: "550 5.1.1 no such mailbox" },
    ],
    ["Greylisting", "New senders are deferred for five minutes (451).", { at: "rcpt", service: "mx", greylist: "5m" }],
    [
        "Refused as spam",
        "The host refuses the letter after its content (550).",
        { at: "final", service: "mx", reply: "550 5.7.1 this looks like spam" },
    ],
    [
        "Too busy",
        "The host refuses connections (421).",
        { at: "connect", service: "mx", reply: "421 4.3.2 too busy, come again later" },
    ],
    [
        "Lost answer",
        "The letter is accepted, but the reply is lost: it arrives twice.",
        { at: "final", service: "mx", drop: "before", times: 1 },
    ],
    [
        "Broken connection",
        "The connection breaks in the middle of the letter.",
        { at: "content", service: "mx", drop: "before" },
    ],
    ["Slow host", "The host replies to a letter after 30 seconds.", { at: "final", service: "mx", delay: "30s" }],
    [
        "Silent host",
        "The host accepts the connection, and sends nothing.",
        { at: "connect", service: "mx", silence: true },
    ],
    ["No STARTTLS", "The host does not offer STARTTLS.", { at: "ehlo", service: "mx", without: ["STARTTLS"] }],
    ["Expired certificate", "The certificate of the TLS handshake has expired.", { at: "tls", tls: "expired" }],
    ["DNS fails", "Every DNS lookup fails with SERVFAIL.", { at: "dns", answer: "servfail" }],
    [
        "Wrong password",
        "Submission refuses every login (535).",
        { at: "auth", reply: "535 5.7.8 authentication failed" },
    ],
    [
        "Submission refuses",
        "Submission refuses the letter (554).",
        { at: "final", service: "submission", reply: "554 5.6.0 not this one" },
    ],
    [
        "Maildrop locked",
        "POP3 refuses the login: another session has the maildrop open.",
        { at: "pop3.pass", reply: "-ERR [IN-USE] the maildrop is locked" },
    ],
    [
        "IMAP over quota",
        "IMAP refuses to store messages in a folder.",
        { at: "imap.append", reply: "NO [OVERQUOTA] the quota of the account is exceeded" },
    ],
    [
        "New UIDVALIDITY",
        "Folders get a new UIDVALIDITY when an IMAP client selects them.",
        { at: "imap.select", new_validity: true, times: 1 },
    ],
    [
        "Removed meanwhile",
        "A message is removed just before an IMAP client fetches it.",
        { at: "imap.fetch", expunge: true, times: 1 },
    ],
    [
        "IMAP with less",
        "IMAP withdraws extensions after the login.",
        { at: "imap.login", without: ["IDLE", "CONDSTORE", "MOVE"] },
    ],
    ["IDLE breaks off", "The connection of an IMAP client in IDLE breaks.", { at: "imap.idling", drop: "before" }],
    ["Disk full", "The server can't store letters.", { at: "disk", error: "full" }],
];

/** Steps at which a fault happens. */
export const STEPS = [
    ["connect", "at connect"],
    ["ehlo", "at EHLO"],
    ["starttls", "at STARTTLS"],
    ["auth", "at AUTH"],
    ["mail", "at MAIL FROM"],
    ["rcpt", "at RCPT TO"],
    ["data", "at DATA"],
    ["content", "in the content"],
    ["final", "at the final dot"],
    ["quit", "at QUIT"],
    ["tls", "in a TLS handshake"],
    ["call", "at an outbound connection"],
    ["dns", "in a DNS lookup"],
    ["disk", "at a write to the disk"],
    ["pop3.connect", "at a POP3 connection"],
    ["pop3.pass", "at POP3 PASS"],
    ["pop3.stat", "at POP3 STAT"],
    ["pop3.retr", "at POP3 RETR"],
    ["pop3.dele", "at POP3 DELE"],
    ["pop3.uidl", "at POP3 UIDL"],
    ["pop3.quit", "at POP3 QUIT"],
    ["pop3.any", "at any POP3 command"],
    ["imap.connect", "at an IMAP connection"],
    ["imap.login", "at an IMAP login"],
    ["imap.list", "at IMAP LIST"],
    ["imap.status", "at IMAP STATUS"],
    ["imap.select", "at IMAP SELECT"],
    ["imap.search", "at IMAP SEARCH"],
    ["imap.fetch", "at IMAP FETCH"],
    ["imap.store", "at IMAP STORE"],
    ["imap.copy", "at IMAP COPY"],
    ["imap.move", "at IMAP MOVE"],
    ["imap.expunge", "at IMAP EXPUNGE"],
    ["imap.append", "at IMAP APPEND"],
    ["imap.idle", "at IMAP IDLE"],
    ["imap.idling", "during IMAP IDLE"],
    ["imap.noop", "at IMAP NOOP"],
    ["imap.logout", "at IMAP LOGOUT"],
    ["imap.any", "at any IMAP command"],
];

/** Effects: field of a rule, text, and example ("" for a field without value). */
export const ACTIONS = [
    ["reply", "It replies", "452 4.2.2 mailbox full"],
    ["delay", "It waits", "30s"],
    ["greylist", "It defers new senders for", "5m"],
    ["drop", "The connection breaks", "before"],
    ["silence", "It stops replying", ""],
    ["garbage", "It sends garbage", "!!"],
    ["without", "It does not offer", "STARTTLS"],
    ["tls", "The certificate is", "expired"],
    ["answer", "The lookup fails with", "servfail"],
    ["error", "The disk is", "full"],
    ["untagged", "It sends unasked", "* OK [ALERT] the disk is full tomorrow"],
    ["exists", "It reports messages that are not there", "1"],
    ["expunge", "A message is removed before", ""],
    ["new_validity", "The folder has a new UIDVALIDITY", ""],
    ["literals", "Lengths of literals are multiplied by", "0.5"],
];

const CERTIFICATES = {
    refused: "the handshake fails",
    expired: "the certificate has expired",
    "self-signed": "the certificate is self-signed",
    "wrong-name": "the certificate has another name",
};

/** Rule as a sentence. */
export function sentence(rule) {
    const where = STEPS.find(([at]) => at === rule.at)?.[1] ?? `at ${rule.at}`;
    return `${capital(where)}${conditions(rule)}: ${effects(rule)}${frequency(rule)}.`;
}

function conditions(rule) {
    const parts = [
        rule.recipient && `for ${rule.recipient}`,
        rule.sender && `from ${rule.sender}`,
        rule.client && `by ${rule.client}`,
        rule.service && `on ${rule.service}`,
        rule.server && `of ${rule.server}`,
        rule.account && `of ${rule.account}`,
        rule.folder && `in ${rule.folder}`,
        rule.name && `of ${rule.name}`,
        rule.nth && `the ${ordinal(rule.nth)} time`,
    ].filter(Boolean);
    return parts.length ? `, ${parts.join(", ")}` : "";
}

function effects(rule) {
    const list = [
        rule.reply && `it replies "${rule.reply}"`,
        rule.greylist && `new senders are deferred for ${rule.greylist}`,
        rule.drop && `the connection breaks ${rule.drop} the reply`,
        rule.speed && `octets pass at ${rule.speed} per second`,
        rule.silence && "it stops replying",
        rule.garbage && "it sends garbage",
        rule.without?.length && `${rule.without.join(", ")} is not offered`,
        rule.tls && CERTIFICATES[rule.tls],
        rule.answer && `the lookup fails with ${rule.answer.toUpperCase()}`,
        rule.error && (rule.error === "full" ? "the disk is full" : "the write fails"),
        rule.sizes && `sizes are multiplied by ${rule.sizes}`,
        rule.literals && `lengths of literals are multiplied by ${rule.literals}`,
        rule.untagged && `it sends "${rule.untagged}" unasked`,
        rule.exists && `it reports ${rule.exists} ${rule.exists === 1 ? "message that is" : "messages that are"} not there`,
        rule.expunge && "the first message is removed before",
        rule.new_validity && "the folder has a new UIDVALIDITY",
    ].filter(Boolean);
    if (rule.delay) list.push(`${list.length ? "after" : "it waits"} ${rule.delay}`);
    return list.join(", ");
}

function frequency(rule) {
    const parts = [
        rule.after && `but not the first ${rule.after === 1 ? "time" : `${rule.after} times`}`,
        rule.times && (rule.times === 1 ? "once" : `${rule.times} times`),
        rule.every > 1 && `every ${ordinal(rule.every)} time`,
        rule.probability !== undefined &&
            rule.probability < 1 &&
            `in ${Math.round(rule.probability * 100)} of 100 cases`,
    ].filter(Boolean);
    return parts.length ? `, ${parts.join(", ")}` : "";
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
const ordinal = (value) =>
    `${value}${["th", "st", "nd", "rd"][value % 100 > 10 && value % 100 < 14 ? 0 : value % 10] ?? "th"}`;
