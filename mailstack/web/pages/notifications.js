/** Browser notifications for new letters, while the page is hidden. */

import { count, nameOf } from "./format.js";
import { icon } from "./icons.js";
import { debounced, on } from "./live.js";
import { showError } from "./notices.js";
import { go } from "./routes.js";

const KEY = "notifications";
const GAP = 3000; // milliseconds between two notifications
const MAX_TEXT = 200; // characters

let waiting = []; // new letters since the last notification

/** Makes a button switch notifications; it is hidden in a browser without them. */
export function startNotifications(button) {
    if (!("Notification" in globalThis) || !isSecureContext) return;
    const show = () => {
        const words = isOn() ? "Notifications are on" : "Notify me of new letters";
        button.setAttribute("aria-pressed", String(isOn()));
        button.setAttribute("aria-label", words);
        button.title = words;
        button.replaceChildren(icon(isOn() ? "bell" : "bell-off"));
    };
    button.addEventListener("click", async () => {
        try {
            if (isOn()) store(null);
            else await allow();
        } catch (error) {
            showError(error);
        }
        show();
    });
    addEventListener("storage", show);
    show();
    button.hidden = false;
    const notifySoon = debounced(() => notify(show), GAP);
    on("letter", (letter) => {
        if (!isOn() || !document.hidden) return;
        waiting.push(letter);
        notifySoon();
    });
}

/** Whether the user wants notifications, and the browser allows them. */
function isOn() {
    try {
        return localStorage.getItem(KEY) === "on" && Notification.permission === "granted";
    } catch {
        return false;
    }
}

function store(value) {
    try {
        if (value) localStorage.setItem(KEY, value);
        else localStorage.removeItem(KEY);
    } catch {
        throw new Error("The browser stores nothing for this page, so notifications can't be switched on.");
    }
}

/** Asks the browser for its permission. */
async function allow() {
    if ((await Notification.requestPermission()) !== "granted")
        throw new Error("The browser blocks notifications of this page. Allow them in its settings for this site.");
    store("on");
}

/** Shows one notification for all letters that arrived; its text is plain. */
function notify(show) {
    const letters = waiting;
    waiting = [];
    if (!letters.length || !document.hidden) return;
    const [newest] = letters.slice(-1);
    const one = letters.length === 1;
    const title = one ? nameOf(newest.from) || newest.sender || "New letter" : count(letters.length, "new letter");
    try {
        // The tag replaces the earlier notification, also one of another tab.
        const shown = new Notification(title.slice(0, MAX_TEXT), {
            body: (newest.subject || "(no subject)").slice(0, MAX_TEXT),
            tag: "mailstack",
            icon: "pages/icon.svg",
        });
        shown.onclick = () => {
            window.focus();
            go(one ? ["letter", newest.id] : ["letters"]);
            shown.close();
        };
    } catch {
        // Browsers of phones have the interface, and refuse it outside a service worker.
        store(null);
        show();
        showError(new Error("This browser shows no notifications of web pages."));
    }
}
