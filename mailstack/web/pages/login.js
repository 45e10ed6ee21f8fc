/** Login page. */

import { post } from "./api.js";
import { h } from "./dom.js";
import { field } from "./dialogs.js";
import { disconnect } from "./live.js";

export function show(place, main) {
    const problem = h("p", { class: "trouble", role: "alert" });
    const form = h(
        "form",
        {
            class: "fields",
            onsubmit: async (event) => {
                event.preventDefault();
                problem.textContent = "";
                try {
                    await post("v1/login", Object.fromEntries(new FormData(form)));
                    location.hash = place.query.from?.startsWith("#/") ? place.query.from : "#/letters";
                    location.reload();
                } catch (error) {
                    problem.textContent = error.status === 401 ? "Wrong address or password." : error.message;
                }
            },
        },
        field("Address", "username", { required: true, autocomplete: "username", autofocus: true }),
        field("Password", "password", { type: "password", required: true, autocomplete: "current-password" }),
        problem,
        h("button", { class: "primary" }, "Log in"),
    );
    disconnect();
    document.body.classList.add("outside");
    main.append(
        h("section", { class: "empty login" }, h("p", { class: "quiet" }, "mailstack"), h("h1", {}, "Log in"), form),
    );
    return () => document.body.classList.remove("outside");
}
