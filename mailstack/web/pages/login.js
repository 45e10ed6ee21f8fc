/** The door, where the office asks who comes. */

import { post } from "./api.js";
import { h } from "./dom.js";
import { field } from "./dialogs.js";
import { connect } from "./live.js";

export function show(place, main) {
    const trouble = h("p", { class: "trouble", role: "alert" });
    const form = h("form", { class: "fields", onsubmit: async (event) => {
        event.preventDefault();
        trouble.textContent = "";
        try {
            await post("v1/login", Object.fromEntries(new FormData(form)));
            connect();
            location.hash = place.query.from?.startsWith("#/") ? place.query.from : "#/letters";
        } catch (error) {
            trouble.textContent = error.status === 401 ? "That is no login here." : error.message;
        }
    } },
    field("Address", "username", { required: true, autocomplete: "username", autofocus: true }),
    field("Password", "password", { type: "password", required: true, autocomplete: "current-password" }),
    trouble, h("button", { class: "primary" }, "Log in"));
    main.append(h("section", { class: "empty" }, h("h1", {}, "Log in"), form));
    return () => {};
}
