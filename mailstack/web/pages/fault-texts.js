/** Faults in the words of mail: the ready-made ones, and what a rule says as a sentence. Plain values, no document. */

/** Ready-made rules: a name, what it is good for, and the rule, without whom it is for. */
export const READY = [
    [
        "Mailbox full",
        "Its host puts letters off until there is room.",
        { at: "rcpt", service: "mx", reply: "452 4.2.2 mailbox full" },
    ],
    [
        "No such mailbox",
        "Its host refuses for good: the sender gets a report.",
        { at: "rcpt", service: "mx", reply: "550 5.1.1 no such mailbox" },
    ],
    [
        "Greylisting",
        "Strangers are asked to come again after five minutes.",
        { at: "rcpt", service: "mx", greylist: "5m" },
    ],
    [
        "Refused as spam",
        "The letter is refused once its host has read it.",
        { at: "final", service: "mx", reply: "550 5.7.1 this looks like spam" },
    ],
    [
        "Too busy",
        "The host lets nobody in.",
        { at: "connect", service: "mx", reply: "421 4.3.2 too busy, come again later" },
    ],
    [
        "Lost answer",
        "The letter is taken, but nobody hears of it: it comes twice.",
        { at: "final", service: "mx", drop: "before", times: 1 },
    ],
    ["Broken connection", "It breaks in the middle of the letter.", { at: "content", service: "mx", drop: "before" }],
    ["Slow host", "It takes half a minute to take a letter.", { at: "final", service: "mx", delay: "30s" }],
    ["Silent host", "It takes the call, and says nothing.", { at: "connect", service: "mx", silence: true }],
    ["No STARTTLS", "The host does not offer TLS.", { at: "ehlo", service: "mx", without: ["STARTTLS"] }],
    ["Expired certificate", "TLS shows one that nobody should trust.", { at: "tls", tls: "expired" }],
    ["DNS fails", "Every look-up ends with SERVFAIL.", { at: "dns", answer: "servfail" }],
    ["Wrong password", "Submission refuses every login.", { at: "auth", reply: "535 5.7.8 authentication failed" }],
    [
        "Submission refuses",
        "Your program's letter is not taken.",
        { at: "final", service: "submission", reply: "554 5.6.0 not this one" },
    ],
    [
        "Maildrop locked",
        "POP3 says that another session has it.",
        { at: "pop3.pass", reply: "-ERR [IN-USE] the maildrop is locked" },
    ],
    ["Disk full", "The server can't keep what comes.", { at: "disk", error: "full" }],
];

/** Where it happens. */
export const STEPS = [
    ["connect", "when a client calls"],
    ["ehlo", "at EHLO"],
    ["starttls", "at STARTTLS"],
    ["auth", "at the login"],
    ["mail", "at MAIL FROM"],
    ["rcpt", "at RCPT TO"],
    ["data", "at DATA"],
    ["content", "within the letter"],
    ["final", "at its final dot"],
    ["quit", "at QUIT"],
    ["tls", "in a TLS handshake"],
    ["call", "when a server calls another"],
    ["dns", "in a DNS look-up"],
    ["disk", "when it is written to the disk"],
    ["pop3.connect", "when POP3 is called"],
    ["pop3.pass", "at POP3's PASS"],
    ["pop3.stat", "at POP3's STAT"],
    ["pop3.retr", "at POP3's RETR"],
    ["pop3.dele", "at POP3's DELE"],
    ["pop3.uidl", "at POP3's UIDL"],
    ["pop3.quit", "at POP3's QUIT"],
    ["pop3.any", "at any command of POP3"],
];

/** What happens: the field of a rule, its words, and what its value looks like ("" where it has none). */
export const ACTIONS = [
    ["reply", "It answers", "452 4.2.2 mailbox full"],
    ["delay", "It takes", "30s"],
    ["greylist", "It wants them back after", "5m"],
    ["drop", "The connection breaks", "before"],
    ["silence", "It says nothing more", ""],
    ["garbage", "It says nonsense", "!!"],
    ["without", "It does not offer", "STARTTLS"],
    ["tls", "The certificate is", "expired"],
    ["answer", "The look-up ends with", "servfail"],
    ["error", "The disk is", "full"],
];

const CERTIFICATES = {
    refused: "the handshake fails",
    expired: "the certificate has expired",
    "self-signed": "the certificate is self-signed",
    "wrong-name": "the certificate has another name",
};

/** A rule in a sentence. */
export function sentence(rule) {
    const where = STEPS.find(([at]) => at === rule.at)?.[1] ?? `at ${rule.at}`;
    return `${capital(where)}${whom(rule)}: ${what(rule)}${howOften(rule)}.`;
}

function whom(rule) {
    const parts = [
        rule.recipient && `for ${rule.recipient}`,
        rule.sender && `from ${rule.sender}`,
        rule.client && `by ${rule.client}`,
        rule.service && `on ${rule.service}`,
        rule.server && `of ${rule.server}`,
        rule.name && `of ${rule.name}`,
        rule.nth && `the ${ordinal(rule.nth)} time`,
    ].filter(Boolean);
    return parts.length ? `, ${parts.join(", ")}` : "";
}

function what(rule) {
    const done = [
        rule.reply && `it answers "${rule.reply}"`,
        rule.greylist && `strangers are asked to come again after ${rule.greylist}`,
        rule.drop && `the connection breaks ${rule.drop} the answer`,
        rule.speed && `it comes at ${rule.speed} octets a second`,
        rule.silence && "it says nothing more",
        rule.garbage && "it says nonsense",
        rule.without?.length && `${rule.without.join(", ")} is not offered`,
        rule.tls && CERTIFICATES[rule.tls],
        rule.answer && `the answer is ${rule.answer.toUpperCase()}`,
        rule.error && (rule.error === "full" ? "the disk is full" : "writing fails"),
        rule.sizes && `it says ${rule.sizes} times the size`,
    ].filter(Boolean);
    if (rule.delay) done.push(`${done.length ? "" : "it takes "}${done.length ? "after " : ""}${rule.delay}`);
    return done.join(", ");
}

function howOften(rule) {
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
