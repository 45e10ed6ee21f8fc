/** What happens now: one stream of server-sent events for all pages, which finds its way back when it breaks. */

const KINDS = ["letter", "changed", "deleted", "step", "fault", "dialogue", "clock"];
const FIRST_WAIT = 1000; // milliseconds; doubles up to:
const LONGEST_WAIT = 15_000;

const listeners = new Map();
let source = null;
let wait = FIRST_WAIT;
let waiting = null; // to connect again
let wasOpen = false;
let state = "connecting";

/**
 * Calls `heard` with the data of each event of this kind, until the function it returns is called. Besides the server's
 * kinds: `state` (`live`, `connecting`, `lost`), and `again`, when events may have been missed.
 */
export function on(kind, heard) {
    if (!listeners.has(kind)) listeners.set(kind, new Set());
    listeners.get(kind).add(heard);
    return () => listeners.get(kind).delete(heard);
}

/** Whether events arrive. */
export const liveState = () => state;

/** Opens the stream. */
export function connect() {
    source?.close();
    clearTimeout(waiting);
    source = new EventSource("v1/events");
    source.onopen = () => {
        wait = FIRST_WAIT;
        become("live");
        if (wasOpen) tell("again", null);
        wasOpen = true;
    };
    source.onerror = () => {
        become("lost");
        // The browser tries again by itself, with the id of the last event, unless the answer was no stream at all.
        if (source.readyState === EventSource.CLOSED) {
            waiting = setTimeout(connect, wait);
            wait = Math.min(wait * 2, LONGEST_WAIT);
        }
    };
    source.addEventListener("reset", () => tell("again", null));
    for (const kind of KINDS) {
        source.addEventListener(kind, (event) => {
            try {
                tell(kind, JSON.parse(event.data));
            } catch (error) {
                console.error(kind, error);
            }
        });
    }
}

/** Ends it: where nobody is logged in nothing is heard. */
export function disconnect() {
    source?.close();
    clearTimeout(waiting);
    become("connecting");
}

function become(next) {
    if (next === state) return;
    state = next;
    tell("state", state);
}

function tell(kind, data) {
    for (const heard of [...(listeners.get(kind) ?? [])]) heard(data);
}

/** Calls a function at once, and when many calls come together once for all of them, at most every `gap` milliseconds. */
export function debounced(work, gap = 100) {
    let timer = null;
    let last = -Infinity;
    return () => {
        timer ??= setTimeout(
            () => {
                timer = null;
                last = performance.now();
                work();
            },
            Math.max(0, last + gap - performance.now()),
        );
    };
}
