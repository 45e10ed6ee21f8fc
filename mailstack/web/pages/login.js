/** The door, where the server asks who comes. */

import { post } from "./api.js";
import { h } from "./dom.js";
import { field } from "./dialogs.js";
import { disconnect } from "./live.js";

export function show(place, main) {
    const trouble = h("p", { class: "trouble", role: "alert" });
    const form = h(
        "form",
        {
            class: "fields",
            onsubmit: async (event) => {
                event.preventDefault();
                trouble.textContent = "";
                try {
                    await post("v1/login", Object.fromEntries(new FormData(form)));
                    location.hash = place.query.from?.startsWith("#/") ? place.query.from : "#/letters";
                    location.reload();
                } catch (error) {
                    trouble.textContent = error.status === 401 ? "That is no login here." : error.message;
                }
            },
        },
        field("Address", "username", { required: true, autocomplete: "username", autofocus: true }),
        field("Password", "password", { type: "password", required: true, autocomplete: "current-password" }),
        trouble,
        h("button", { class: "primary" }, "Log in"),
    );
    disconnect();
    document.body.classList.add("outside");
    main.append(h("section", { class: "empty login" }, h("p", { class: "quiet" }, "mailstack"), h("h1", {}, "Log in"), form));
    return () => document.body.classList.remove("outside");
}
