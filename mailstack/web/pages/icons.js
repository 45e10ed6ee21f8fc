/** Icons: one path each in a 24 × 24 box, in the colour of the text. */

import { h, svg } from "./dom.js";

const PATHS = {
    account: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8Zm-8 8c.6-3.6 3.8-5 8-5s7.4 1.4 8 5",
    alias: "M4 12h9m0 0-4-4m4 4-4 4M17 5a7 7 0 0 1 0 14",
    attach: "m19 11-7.5 7.5a4.6 4.6 0 0 1-6.5-6.5L13 4a3.1 3.1 0 0 1 4.4 4.4l-8 8a1.6 1.6 0 0 1-2.2-2.2L14 7.5",
    back: "M19 12H5m0 0 6-6m-6 6 6 6",
    bell: "M12 4a5 5 0 0 0-5 5v4l-2 3h14l-2-3V9a5 5 0 0 0-5-5Zm-2 15a2 2 0 0 0 4 0",
    "bell-off": "M8 6.3A5 5 0 0 1 17 9v4l1 1.5M7 10v3l-2 3h11M10 19a2 2 0 0 0 4 0M4 4l16 16",
    bounce: "M9 14 4 9l5-5M4 9h10a6 6 0 0 1 0 12h-3",
    calendar: "M5 6h14v14H5zM5 10h14M9 3v5m6-5v5",
    camera: "M4 7h4l2-3h4l2 3h4v12H4zm8 9a3 3 0 1 0 0-6 3 3 0 0 0 0 6Z",
    check: "m5 12.5 4.5 4.5L19 7.5",
    clock: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Zm0-14v5l3.5 2",
    close: "M6 6l12 12M18 6 6 18",
    code: "m8 8-4 4 4 4m8-8 4 4-4 4",
    compose: "M4 20h4L19 9a2.8 2.8 0 0 0-4-4L4 16v4Zm9-13 4 4",
    copy: "M9 9h10v11H9zM5 15V4h10",
    down: "m6 9 6 6 6-6",
    download: "M12 4v11m0 0-4.5-4.5M12 15l4.5-4.5M5 20h14",
    flag: "M6 21V4m0 0h12l-3 4 3 4H6",
    faults: "M13 3 5 14h6l-1 7 8-11h-6l1-7Z",
    go: "M5 12h14m0 0-6-6m6 6-6 6",
    help: "M9 9a3 3 0 1 1 4.2 2.7c-.8.4-1.2 1-1.2 1.8v.5m0 3.5v.1M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Z",
    hold: "M9 6v12m6-12v12",
    inbox: "M4 13V6a2 2 0 0 1 2-2h12a2 2 0 0 1 2 2v7m-16 0h5l1.5 3h3L15 13h5m-16 0v5a2 2 0 0 0 2 2h12a2 2 0 0 0 2-2v-5",
    link: "M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1m2 4a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1",
    log: "M4 6h16M4 12h16M4 18h10",
    mail: "M4 6h16v12H4zm0 1 8 6 8-6",
    mailbox: "M4 18v-6a4 4 0 0 1 8 0v6H4Zm8 0h8v-6a4 4 0 0 0-4-4H8m8 0V4h3v2",
    menu: "M4 7h16M4 12h16M4 17h16",
    server: "M4 20V9l8-5 8 5v11M4 20h16M9 20v-6h6v6",
    moon: "M20 14.5A8 8 0 0 1 9.5 4 8 8 0 1 0 20 14.5Z",
    out: "M14 5h5v5m0-5-8 8M11 6H6a1 1 0 0 0-1 1v11h11a1 1 0 0 0 1-1v-4",
    phone: "M8 3h8a1 1 0 0 1 1 1v16a1 1 0 0 1-1 1H8a1 1 0 0 1-1-1V4a1 1 0 0 1 1-1Zm3 15h2",
    play: "m8 5 11 7-11 7V5Z",
    plus: "M12 5v14M5 12h14",
    queue: "M5 5h14M5 10h14M5 15h9m-9 5h5",
    read: "M4 10v9h16v-9m-16 0 8-6 8 6m-16 0 8 5 8-5",
    reply: "M10 6 4 12l6 6m-6-6h9c4 0 6 2 7 6",
    retry: "M19 8a8 8 0 1 0 1 5m-1-9v4h-4",
    route: "M6 7a2 2 0 1 0 0-4 2 2 0 0 0 0 4Zm0 0v4c0 6 12 1 12 6m0 0a2 2 0 1 0 0 4 2 2 0 0 0 0-4Z",
    screen: "M4 5h16v11H4zm5 15h6m-3-4v4",
    search: "M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14Zm5-2 4 4",
    send: "m4 12 16-8-6 16-3-7-7-1Z",
    setup: "M7 3h10v18H7zM10 17h4M10 7h4m-4 3h4",
    shield: "M12 3 5 6v6c0 4.5 3 7.5 7 9 4-1.5 7-4.5 7-9V6l-7-3Z",
    sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8Zm0-13v2m0 14v2M3 12h2m14 0h2M5.6 5.6 7 7m10 10 1.4 1.4M5.6 18.4 7 17M17 7l1.4-1.4",
    tablet: "M6 3h12a1 1 0 0 1 1 1v16a1 1 0 0 1-1 1H6a1 1 0 0 1-1-1V4a1 1 0 0 1 1-1Zm5 15h2",
    tag: "M4 4h8l8 8-8 8-8-8V4Zm4 4v.1",
    trash: "M5 7h14M10 7V4h4v3m-7 0 1 13h8l1-13",
    unread: "M4 6h10m6 5v7H4V6l8 7 4-3M19 7a2 2 0 1 0 0-4 2 2 0 0 0 0 4Z",
    warn: "M12 4 3 20h18L12 4Zm0 6v5m0 2.5v.1",
    zone: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Zm-9-9h18M12 3c3 3 3 15 0 18-3-3-3-15 0-18Z",
};

/** Decorative icon. */
export function icon(name) {
    return svg("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" }, svg("path", { d: PATHS[name] }));
}

/** Button with an icon; `words` is its label. */
export function iconButton(name, words, onclick, properties = {}) {
    return h(
        "button",
        { type: "button", class: "bare", "aria-label": words, title: words, onclick, ...properties },
        icon(name),
    );
}
