/** Model of a journey for its picture: lines of stations, one line a recipient. No DOM. */

const FIRST_STEPS = new Set(["submitted", "exchanged"]);
const MAX_ATTEMPTS = 4; // of more only the first and the last two are shown

/**
 * Returns `{trunk, lines}`: stations of all recipients, and for each recipient `{recipient, state, stations}`. A station has
 * `kind`, `tone` (`good`, `wait`, `bad`, `quiet`), `title`, `details`, `said` (reply or reason), `at`, and `steps` (indexes).
 * A future station is a `ghost`, and also `live` if it may happen at any moment.
 */
export function modelOf(journey) {
    const steps = journey.steps.map((step, index) => ({ ...step, index }));
    const first = steps.find((step) => FIRST_STEPS.has(step.step));
    if (!first) return { trunk: [], lines: [] };
    const recipients = journey.recipients?.length ? journey.recipients : (first.recipients ?? []);
    const lines = recipients.map((recipient) => lineOf(steps, first, recipient));
    return { trunk: trunkOf(first), lines: [...lines, ...steps.flatMap((step) => copyLines(steps, step))] };
}

/** Lines of a copy, one for each recipient of it. */
function copyLines(steps, copied) {
    if (copied.step !== "copied") return [];
    const first = steps.find((step) => step.letter === copied.copy && FIRST_STEPS.has(step.step));
    if (!first) return [];
    const before = [
        station("copy", "good", "Copied", [copied.why, copied.by && `by ${copied.by}`], copied),
        // Another server reports the acceptance in its own step.
        ...(first.step === "submitted" ? [station("server", "good", first.server, ["accepted"], first)] : []),
    ];
    return (copied.recipients ?? []).map((recipient) => lineOf(steps, first, recipient, before));
}

/** Groups lines that look the same. */
export function grouped(lines) {
    const groups = new Map();
    for (const line of lines) {
        const appearance = line.stations.map(({ kind, tone, title }) => [kind, tone, kind === "mailbox" ? "" : title]);
        const key = JSON.stringify([line.state, appearance]);
        if (groups.has(key)) groups.get(key).recipients.push(line.recipient);
        else groups.set(key, { ...line, recipients: [line.recipient] });
    }
    return [...groups.values()];
}

function trunkOf(first) {
    const how = [first.protocol, tls(first)].filter(Boolean).join(", ");
    const server = {
        kind: "server",
        tone: "good",
        title: first.server,
        details: ["accepted", how].filter(Boolean),
        at: first.at,
        steps: [first.index],
    };
    if (first.original) return [{ ...server, details: ["created this report"] }];
    const clientName = first.step === "submitted" ? first.by || first.client : first.helo || first.client;
    const action = first.step === "submitted" ? "submitted" : "sent";
    const client = {
        kind: first.step === "submitted" ? "person" : "server",
        tone: "good",
        title: clientName || "a client",
        details: [action, first.client].filter(Boolean),
        at: null,
        steps: [first.index],
    };
    return [client, server];
}

function lineOf(steps, first, recipient, before = []) {
    const line = {
        recipient,
        state: "queued",
        stations: [...before],
        names: new Set([recipient.toLowerCase()]),
        letter: first.letter,
        attempts: [],
        queue: null,
    };
    const seen = new Set();
    while (line.letter && !seen.has(line.letter)) {
        seen.add(line.letter);
        const { letter } = line;
        line.letter = null;
        for (const step of steps) if (step.letter === letter && concerns(step, line)) follow(line, step, steps);
        finish(line);
    }
    return { recipient, state: line.state, stations: line.stations, letter: [...seen].at(-1) };
}

const concerns = (step, { names }) => {
    if (step.step === "collected" || step.step === "read") return true;
    const named = [step.recipient, ...(step.recipients ?? [])]
        .filter(Boolean)
        .map((each) => String(each).toLowerCase());
    return named.some((each) => names.has(each));
};

function follow(line, step, steps) {
    HANDLERS[step.step]?.(line, step, steps);
}

/** Handler of the first step that shows a reader. */
function fetched(title) {
    return (line, step) => {
        if (line.state !== "delivered") return;
        if (step.by && line.mailbox && String(step.by).toLowerCase() !== line.mailbox) return;
        line.state = "collected";
        line.stations.push(
            station(
                "reader",
                "good",
                title,
                [[step.protocol, tls(step)].filter(Boolean).join(", "), step.client && `from ${step.client}`],
                step,
            ),
        );
    };
}

const HANDLERS = {
    exchanged(line, step) {
        if (!line.stations.length) return;
        line.stations.push(
            station(
                "server",
                "good",
                step.server,
                ["accepted", [step.protocol, tls(step)].filter(Boolean).join(", ")],
                step,
            ),
        );
    },
    routed(line, step) {
        for (const target of step.targets ?? []) line.names.add(String(target).toLowerCase());
        if (step.targets?.length)
            line.stations.push(station("alias", "good", "Alias", [`to ${step.targets.join(", ")}`], step));
        else if (step.via && step.via !== "mailbox" && !line.queue) {
            line.queue = station("queue", "good", "Queue", [step.why || `by ${step.via}`], step);
            line.stations.push(line.queue);
        }
    },
    attempted(line, step) {
        enqueue(line, step);
        const made = station("attempt", "wait", `Attempt ${line.attempts.length + 1}`, [step.host, tls(step)], step);
        line.attempts.push(made);
        line.stations.push(made);
        line.pending = made;
    },
    deferred(line, step) {
        const made = outcome(line, step, "wait");
        made.next = step.next_attempt;
        line.next = step.next_attempt;
        line.state = "deferred";
    },
    relayed(line, step, steps) {
        outcome(line, step, "good");
        line.state = "relayed";
        line.next = null;
        if (step.remote_id && steps.some((each) => each.letter === step.remote_id)) line.letter = step.remote_id;
        else
            line.stations.push({
                ...station("server", "good", step.host || "the other host", ["responsible now"], step),
                last: true,
            });
    },
    delivered(line, step) {
        line.state = "delivered";
        line.next = null;
        line.pending = null;
        line.stations.push(station("mailbox", "good", step.mailbox || step.recipient, ["in the mailbox"], step));
        line.mailbox = String(step.mailbox || step.recipient).toLowerCase();
    },
    collected: fetched("Collected"),
    read: fetched("Read"),
    bounced(line, step) {
        const attempt = line.pending;
        if (attempt) outcome(line, step, "bad");
        line.state = "bounced";
        line.next = null;
        const returned = station(
            "bounce",
            "bad",
            "Returned",
            [step.report ? "the sender is notified" : step.why],
            step,
        );
        line.stations.push({ ...returned, said: attempt ? "" : step.reply, report: step.report });
    },
    held(line, step) {
        enqueue(line, step);
        line.state = "held";
        line.next = null;
        line.stations.push(station("held", "quiet", "Held", [step.by && `by ${step.by}`, step.why], step));
    },
    released(line, step) {
        line.state = "queued";
        line.stations.push(station("released", "good", "Released", [step.by && `by ${step.by}`], step));
    },
    redirected(line, step) {
        if (step.to) line.names.add(String(step.to).toLowerCase());
        line.stations.push(station("alias", "good", "Redirected", [`to ${step.to}`, step.by && `by ${step.by}`], step));
    },
    removed(line, step) {
        line.state = "removed";
        line.next = null;
        line.stations.push(station("removed", "quiet", "Removed", [step.by && `by ${step.by}`, step.why], step));
    },
};

/** Ends the pending attempt, or adds one. */
function outcome(line, step, tone) {
    enqueue(line, step);
    if (!line.pending) {
        line.pending = station("attempt", tone, `Attempt ${line.attempts.length + 1}`, [step.host], step);
        line.attempts.push(line.pending);
        line.stations.push(line.pending);
    }
    const made = line.pending;
    line.pending = null;
    made.tone = tone;
    if (tone !== "good") made.said = step.reply;
    made.steps.push(step.index);
    return made;
}

function enqueue(line, step) {
    if (line.queue) return;
    line.queue = station("queue", "good", "Queue", [], step);
    line.stations.push(line.queue);
}

/** Folds many attempts, and adds the future station. */
function finish(line) {
    if (line.letter) {
        line.queue = null;
        line.attempts = [];
        return;
    }
    if (line.attempts.length > MAX_ATTEMPTS) {
        const folded = line.attempts.slice(1, -2);
        const at = line.stations.indexOf(folded[0]);
        line.stations = line.stations.filter((each) => !folded.includes(each));
        line.stations.splice(at, 0, {
            kind: "attempts",
            tone: "wait",
            title: `${folded.length} more attempts`,
            details: ["all deferred"],
            at: folded.at(-1).at,
            steps: folded.flatMap((each) => each.steps),
        });
    }
    if (line.state === "delivered")
        line.stations.push({
            kind: "reader",
            tone: "quiet",
            title: "Not fetched yet",
            details: [],
            at: null,
            steps: [],
            ghost: true,
        });
    if (line.state === "deferred")
        line.stations.push({
            kind: "next",
            tone: "wait",
            title: "Next attempt",
            details: [],
            at: null,
            next: line.next,
            steps: [],
            ghost: true,
        });
    if (line.state === "queued")
        line.stations.push({
            kind: "next",
            tone: "wait",
            title: "Under way",
            details: [],
            at: null,
            steps: [],
            ghost: true,
            live: true,
        });
}

function station(kind, tone, title, details, step) {
    return { kind, tone, title, details: details.filter(Boolean), at: step.at, steps: [step.index] };
}

/** TLS version of a step, or "". */
export const tls = ({ tls: how }) => (typeof how === "object" && how ? how.version : how) || "";
