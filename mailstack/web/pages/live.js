/** Event stream (server-sent events) for all pages; reconnects by itself. */

const KINDS = ["letter", "changed", "deleted", "step", "fault", "dialogue", "clock"];
const FIRST_WAIT = 1000; // milliseconds; doubles up to:
const MAX_WAIT = 15_000;

const listeners = new Map();
let source = null;
let wait = FIRST_WAIT;
let reconnect = null;
let wasOpen = false;
let state = "connecting";

/**
 * Subscribes to a kind of event; returns a function that unsubscribes. Kinds besides those of the server: `state` (`live`,
 * `connecting`, `lost`), and `missed`, when events may have been missed.
 */
export function on(kind, listener) {
    if (!listeners.has(kind)) listeners.set(kind, new Set());
    listeners.get(kind).add(listener);
    return () => listeners.get(kind).delete(listener);
}

/** State of the stream. */
export const liveState = () => state;

/** Opens the stream. */
export function connect() {
    source?.close();
    clearTimeout(reconnect);
    source = new EventSource("v1/events");
    source.onopen = () => {
        wait = FIRST_WAIT;
        setState("live");
        if (wasOpen) emit("missed", null);
        wasOpen = true;
    };
    source.onerror = () => {
        setState("lost");
        // The browser reconnects with the id of the last event, unless the response was not a stream.
        if (source.readyState === EventSource.CLOSED) {
            reconnect = setTimeout(connect, wait);
            wait = Math.min(wait * 2, MAX_WAIT);
        }
    };
    source.addEventListener("reset", () => emit("missed", null));
    for (const kind of KINDS) {
        source.addEventListener(kind, (event) => {
            try {
                emit(kind, JSON.parse(event.data));
            } catch (error) {
                console.error(kind, error);
            }
        });
    }
}

/** Closes the stream. */
export function disconnect() {
    source?.close();
    clearTimeout(reconnect);
    setState("connecting");
}

function setState(next) {
    if (next === state) return;
    state = next;
    emit("state", state);
}

function emit(kind, data) {
    for (const listener of [...(listeners.get(kind) ?? [])]) listener(data);
}

/** Limits the calls of a function to one in `gap` milliseconds; later calls in that time become one. */
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
