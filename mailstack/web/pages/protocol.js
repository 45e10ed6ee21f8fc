/** Protocol log page: live lines of all sessions. */

import { get } from "./api.js";
import { button, fill, h, userText } from "./dom.js";
import { stamp, time } from "./format.js";
import { on } from "./live.js";
import { attempt } from "./notices.js";
import { pageBody } from "./tables.js";

const MAX_SHOWN = 3000; // lines
const BOTTOM = 40; // pixels from the end, within which the log scrolls along

export function show(_, main) {
    const lines = h("ol", { class: "lines" });
    const log = h(
        "div",
        { class: "log", role: "log", "aria-label": "Protocol log", "aria-live": "off", tabindex: "0" },
        lines,
        h("p", { class: "quiet blank" }, "No protocol lines yet."),
    );
    const search = h("input", {
        type: "search",
        placeholder: "Show lines with",
        "aria-label": "Show lines with",
        oninput: () => narrow(),
    });
    const pause = button("Pause", () => {
        paused = !paused;
        pause.textContent = paused ? "Resume" : "Pause";
        if (!paused) flush();
    });
    let paused = false;
    let loading = false;
    let pending = [];
    const body = pageBody(
        main,
        "Protocol log",
        "Live log of all commands and replies, without passwords and message contents.",
    );
    body.append(
        h(
            "div",
            { class: "stack" },
            h(
                "div",
                { class: "filters" },
                search,
                pause,
                button("Clear", () => fill(lines)),
            ),
            log,
        ),
    );

    const fits = (item) => !search.value || item.textContent.toLowerCase().includes(search.value.toLowerCase());
    const narrow = () => {
        for (const item of lines.children) item.hidden = !fits(item);
    };
    function flush() {
        const follow = log.scrollHeight - log.scrollTop - log.clientHeight < BOTTOM;
        for (const each of pending) {
            const item = lineOf(each);
            item.hidden = !fits(item);
            lines.append(item);
        }
        pending = [];
        while (lines.children.length > MAX_SHOWN) lines.firstChild.remove();
        if (follow) log.scrollTop = log.scrollHeight;
    }
    let frame = 0;
    const onLine = (line) => {
        pending.push(line);
        if (pending.length > MAX_SHOWN) pending.shift();
        if (!paused && !loading)
            frame ||= requestAnimationFrame(() => {
                frame = 0;
                flush();
            });
    };
    /** Loads the log of the server; keeps newer lines from events. */
    const load = async () => {
        loading = true; // lines of meanwhile stay pending
        cancelAnimationFrame(frame);
        frame = 0;
        try {
            const found = await get("v1/protocol");
            const newest = found.lines.at(-1)?.at ?? "";
            pending = [...found.lines, ...pending.filter((each) => each.at > newest)];
            fill(lines);
        } finally {
            loading = false;
            flush();
        }
        log.scrollTop = log.scrollHeight;
    };
    attempt(load);
    const off = [on("dialogue", onLine), on("missed", () => attempt(load))];
    return () => {
        for (const each of off) each();
        cancelAnimationFrame(frame);
    };
}

function lineOf(line) {
    const text = String(line.line);
    const kind = text.startsWith("C:")
        ? "of-client"
        : text.startsWith("S:")
          ? /^S: ([45]\d\d|-ERR)/.test(text)
              ? "of-trouble"
              : "of-server"
          : "of-us";
    return h(
        "li",
        { class: kind },
        time(line.at, stamp),
        userText(`${line.service} ${line.connection}`, { class: "peer", title: `${line.server}, from ${line.client}` }),
        h("span", { class: "said", dir: "ltr" }, text.replace(/^-: /, "")),
    );
}
