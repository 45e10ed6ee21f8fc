/** A journey's steps as lines of stations, one for each recipient: what the picture draws. Plain values, no document. */

const BEGINNINGS = new Set(["submitted", "exchanged"]);
const MOST_ATTEMPTS = 4; // that are drawn one by one; of more, the first and the last two

/**
 * `{trunk, lines}`: the stations that all recipients share, and for each recipient `{recipient, state, stations}`.
 * A station has `kind`, `tone` (`good`, `wait`, `bad`, `quiet`), `title`, `details`, `said` (a reply, or a reason), `at`, and `steps`, their
 * places in the journey. What has not happened yet is a `ghost`, and `live` when it may at any moment.
 */
export function modelOf(journey) {
    const steps = journey.steps.map((step, index) => ({ ...step, index }));
    const first = steps.find((step) => BEGINNINGS.has(step.step));
    if (!first) return { trunk: [], lines: [] };
    const recipients = journey.recipients?.length ? journey.recipients : (first.recipients ?? []);
    const lines = recipients.map((recipient) => lineOf(steps, first, recipient));
    return { trunk: trunkOf(first), lines: [...lines, ...steps.flatMap((step) => copyLines(steps, step))] };
}

/** Of a copy that was sent on: a line for each who shall get it. */
function copyLines(steps, copied) {
    if (copied.step !== "copied") return [];
    const first = steps.find((step) => step.letter === copied.copy && BEGINNINGS.has(step.step));
    if (!first) return [];
    const before = [
        station("copy", "good", "Copied", [copied.why, copied.by && `by ${copied.by}`], copied),
        // The next server reports a letter that it accepted in a step of its own.
        ...(first.step === "submitted" ? [station("server", "good", first.server, ["took it"], first)] : []),
    ];
    return (copied.recipients ?? []).map((recipient) => lineOf(steps, first, recipient, before));
}

/** Lines that look the same as one, with all their recipients; so fifty of them fit the eye. */
export function grouped(lines) {
    const groups = new Map();
    for (const line of lines) {
        const look = line.stations.map(({ kind, tone, title }) => [kind, tone, kind === "mailbox" ? "" : title]);
        const key = JSON.stringify([line.state, look]);
        if (groups.has(key)) groups.get(key).recipients.push(line.recipient);
        else groups.set(key, { ...line, recipients: [line.recipient] });
    }
    return [...groups.values()];
}

function trunkOf(first) {
    const came = [first.protocol, tls(first)].filter(Boolean).join(", ");
    const server = {
        kind: "server",
        tone: "good",
        title: first.server,
        details: ["took it", came].filter(Boolean),
        at: first.at,
        steps: [first.index],
    };
    if (first.original) return [{ ...server, details: ["wrote this report itself"] }];
    const who = first.step === "submitted" ? first.by || first.client : first.helo || first.client;
    const how = first.step === "submitted" ? "handed it in" : "handed it over";
    const client = {
        kind: first.step === "submitted" ? "person" : "server",
        tone: "good",
        title: who || "a client",
        details: [how, first.client].filter(Boolean),
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
        tried: [],
        queue: null,
    };
    const seen = new Set();
    while (line.letter && !seen.has(line.letter)) {
        seen.add(line.letter);
        const { letter } = line;
        line.letter = null;
        for (const step of steps) if (step.letter === letter && concerns(step, line)) follow(line, step, steps);
        settle(line);
    }
    return { recipient, state: line.state, stations: line.stations, letter: [...seen].at(-1) };
}

const concerns = (step, { names }) => {
    if (step.step === "collected") return true;
    const named = [step.recipient, ...(step.recipients ?? [])]
        .filter(Boolean)
        .map((each) => String(each).toLowerCase());
    return named.some((each) => names.has(each));
};

function follow(line, step, steps) {
    const made = MADE[step.step];
    made?.(line, step, steps);
}

const MADE = {
    exchanged(line, step) {
        if (!line.stations.length) return;
        line.stations.push(
            station(
                "server",
                "good",
                step.server,
                ["took it", [step.protocol, tls(step)].filter(Boolean).join(", ")],
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
        const made = station("attempt", "wait", `Attempt ${line.tried.length + 1}`, [step.host, tls(step)], step);
        line.tried.push(made);
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
                ...station("server", "good", step.host || "the other host", ["answers for it now"], step),
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
    collected(line, step) {
        if (line.state !== "delivered" && line.state !== "collected") return;
        if (step.by && line.mailbox && String(step.by).toLowerCase() !== line.mailbox) return;
        if (line.state === "collected") return;
        line.state = "collected";
        line.stations.push(
            station(
                "reader",
                "good",
                "Collected",
                [[step.protocol, tls(step)].filter(Boolean).join(", "), step.client && `from ${step.client}`],
                step,
            ),
        );
    },
    bounced(line, step) {
        const attempt = line.pending;
        if (attempt) outcome(line, step, "bad");
        line.state = "bounced";
        line.next = null;
        const returned = station("bounce", "bad", "Returned", [step.report ? "the sender is told" : step.why], step);
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

/** An attempt's end; where no attempt was told of, one is put in. */
function outcome(line, step, tone) {
    enqueue(line, step);
    if (!line.pending) {
        line.pending = station("attempt", tone, `Attempt ${line.tried.length + 1}`, [step.host], step);
        line.tried.push(line.pending);
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

/** Draws together what is too much, and adds what is still to come. */
function settle(line) {
    if (line.letter) {
        line.queue = null;
        line.tried = [];
        return;
    }
    if (line.tried.length > MOST_ATTEMPTS) {
        const folded = line.tried.slice(1, -2);
        const at = line.stations.indexOf(folded[0]);
        line.stations = line.stations.filter((each) => !folded.includes(each));
        line.stations.splice(at, 0, {
            kind: "attempts",
            tone: "wait",
            title: `${folded.length} more attempts`,
            details: ["all put off"],
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

/** "TLSv1.3", or nothing. */
export const tls = ({ tls: how }) => (typeof how === "object" && how ? how.version : how) || "";
