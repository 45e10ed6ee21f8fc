/** The protocol log: what is said on every connection, as it is said. */

import { get } from "./api.js";
import { button, fill, h, userText } from "./dom.js";
import { exact, time } from "./format.js";
import { on } from "./live.js";
import { tried } from "./notices.js";
import { pageOf } from "./tables.js";

const MOST = 3000; // lines that are kept
const BOTTOM = 40; // pixels from the end within which the log follows

export function show(_, main) {
    const lines = h("ol", { class: "lines" });
    const log = h(
        "div",
        { class: "log", role: "log", "aria-label": "Protocol log", "aria-live": "off", tabindex: "0" },
        lines,
        h("p", { class: "quiet blank" }, "Nothing has been said yet."),
    );
    const search = h("input", {
        type: "search",
        placeholder: "Show lines with",
        "aria-label": "Show lines with",
        oninput: () => narrow(),
    });
    const pause = button("Pause", () => {
        paused = !paused;
        pause.textContent = paused ? "Go on" : "Pause";
        if (!paused) flush();
    });
    let paused = false;
    let waiting = [];
    const body = pageOf(
        main,
        "Protocol log",
        "Every line that clients and hosts say to each other, as it is said. Passwords and contents are left out.",
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
        for (const each of waiting) {
            const item = lineOf(each);
            item.hidden = !fits(item);
            lines.append(item);
        }
        waiting = [];
        while (lines.children.length > MOST) lines.firstChild.remove();
        if (follow) log.scrollTop = log.scrollHeight;
    }
    let asked = 0;
    const heard = (line) => {
        waiting.push(line);
        if (waiting.length > MOST) waiting.shift();
        if (!paused)
            asked ||= requestAnimationFrame(() => {
                asked = 0;
                flush();
            });
    };
    /** All that the server has kept, and behind it what was heard since. */
    const read = async () => {
        const found = await get("v1/protocol");
        const newest = found.lines.at(-1)?.at ?? "";
        waiting = [...found.lines, ...waiting.filter((each) => each.at > newest)];
        fill(lines);
        flush();
        log.scrollTop = log.scrollHeight;
    };
    tried(read);
    const off = [on("dialogue", heard), on("again", () => tried(read))];
    return () => {
        for (const each of off) each();
        cancelAnimationFrame(asked);
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
        time(line.at, exact),
        userText(`${line.service} ${line.connection}`, { class: "peer", title: `${line.office}, from ${line.client}` }),
        h("span", { class: "said", dir: "ltr" }, text.replace(/^-: /, "")),
    );
}
