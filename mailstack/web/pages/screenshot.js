/** Screenshot button of a letter, where the server has a browser. */

import { at, blob, description, segment } from "./api.js";
import { h } from "./dom.js";
import { iconButton } from "./icons.js";
import { attempt, notice } from "./notices.js";

const ROUTE = "/v1/letters/{id}/screenshot";
const TIMEOUT = 300_000; // milliseconds; others may wait before it
const WIDTHS = { phone: 375, tablet: 768 }; // of letter-body.js

/** Button that downloads a picture in the width and the colours of the page; hidden without a browser. */
export function screenshotButton(id) {
    const made = iconButton("camera", "Download a screenshot", () => download(id, made), { hidden: true });
    description()
        .then(({ paths }) => (made.hidden = !paths[ROUTE]))
        .catch(() => {});
    return made;
}

async function download(id, made) {
    made.disabled = true;
    notice("Chromium makes the screenshot.");
    await attempt(async () => {
        const query = { width: WIDTHS[sessionStorage.getItem("width")], color_scheme: isDark() ? "dark" : "light" };
        const picture = URL.createObjectURL(await blob(at(`v1/letters/${segment(id)}/screenshot`, query), TIMEOUT));
        h("a", { href: picture, download: `${id}.png` }).click();
        setTimeout(() => URL.revokeObjectURL(picture), TIMEOUT);
    });
    made.disabled = false;
}

function isDark() {
    const { theme } = document.documentElement.dataset;
    return theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}
