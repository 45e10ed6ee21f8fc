/** Button for the color theme: system, light, dark. */

import { icon } from "./icons.js";
import { showError } from "./notices.js";

const NEXT = { system: "light", light: "dark", dark: "system" };
const ICONS = { system: "screen", light: "sun", dark: "moon" };

/** Makes a button change the theme; `theme.js` applies it. */
export function startTheme(button) {
    const show = () => {
        const theme = document.documentElement.dataset.theme ?? "system";
        const words = `Theme: ${theme}`;
        button.dataset.theme = theme;
        button.setAttribute("aria-label", words);
        button.title = `${words}; change to ${NEXT[theme]}`;
        button.replaceChildren(icon(ICONS[theme]));
    };
    button.addEventListener("click", () => {
        try {
            localStorage.setItem("theme", NEXT[button.dataset.theme]);
        } catch {
            showError(new Error("The browser stores nothing for this page, so the theme stays the system's."));
            return;
        }
        // Browsers send this event to other tabs only.
        dispatchEvent(new StorageEvent("storage", { key: "theme" }));
    });
    addEventListener("storage", show);
    show();
}
