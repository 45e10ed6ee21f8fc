/** Client setup page: instructions of the server, with copy buttons for the values. */

import { get, text } from "./api.js";
import { copyButton } from "./copy.js";
import { fill, h, userText } from "./dom.js";
import { icon } from "./icons.js";
import { loading, errorLine } from "./live-view.js";
import { go, hashOf } from "./routes.js";
import { pageBody } from "./tables.js";

const PAGE = "setup"; // HTML page of the server
const PICTURES = {
    "outlook-new": "screen",
    "outlook-classic": "screen",
    thunderbird: "mail",
    "apple-mail": "mail",
    ios: "phone",
    "gmail-app": "phone",
    k9: "phone",
    mutt: "code",
    "msmtp+mpop": "code",
};

export function show(place, main) {
    let closed = false;
    const { client, address } = place.query;
    const body = client
        ? untitledPage(main)
        : pageBody(
              main,
              "Set up a client",
              "Choose a client, and follow the steps. They show the current hosts, ports and security of this server.",
          );
    fill(body, loading());
    const draw = client ? steps(client, address) : choice(address);
    draw.then(
        (found) => {
            if (!closed) fill(body, found);
        },
        (error) => {
            if (!closed) fill(body, errorLine(error), h("a", { class: "button", href: "#/setup" }, "Other clients"));
        },
    );
    return () => {
        closed = true;
    };
}

/** Page without a title; the steps have one. */
function untitledPage(main) {
    const body = h("div", { class: "page" });
    main.append(body);
    return body;
}

async function choice(address) {
    const [page, { accounts = [] }] = await Promise.all([serverPage(PAGE), get("v1/accounts").catch(() => ({}))]);
    const account = h("input", {
        type: "email",
        value: address || accounts[0]?.address || page.querySelector("input[name=address]")?.value || "",
        list: "known",
        autocomplete: "off",
        "aria-label": "Address",
    });
    account.addEventListener("change", () => go(["setup"], { address: account.value }, { replace: true }));
    const clients = [...page.querySelectorAll("select[name=client] option")];
    return h(
        "div",
        { class: "stack" },
        h(
            "label",
            { class: "field whose" },
            h("span", { class: "name" }, "Whose account?"),
            account,
            h(
                "datalist",
                { id: "known" },
                accounts.map((each) => h("option", { value: each.address })),
            ),
        ),
        h(
            "ul",
            { class: "cards clients" },
            clients.map((each) =>
                h(
                    "li",
                    {},
                    h(
                        "a",
                        {
                            class: "card client",
                            href: hashOf(["setup"], { client: each.value, address: account.value }),
                        },
                        icon(PICTURES[each.value] ?? "setup"),
                        h("span", {}, each.textContent),
                    ),
                ),
            ),
        ),
        automatic(account.value),
        authority(page),
    );
}

/** Automatic setup. */
function automatic(address) {
    const domain = address.split("@").at(-1);
    return h(
        "section",
        { class: "card" },
        h("h2", {}, "Automatic setup"),
        h(
            "ul",
            { class: "plain-links" },
            h(
                "li",
                {},
                h(
                    "a",
                    { href: `mail/config-v1.1.xml?${new URLSearchParams({ emailaddress: address })}` },
                    "Autoconfig",
                ),
                h("span", { class: "quiet" }, " for Thunderbird and K-9"),
            ),
            h(
                "li",
                {},
                h("code", {}, "autodiscover/autodiscover.xml"),
                h("span", { class: "quiet" }, " for Outlook, by POST"),
            ),
            h(
                "li",
                {},
                h("a", { href: `profile.mobileconfig?${new URLSearchParams({ address })}` }, "Configuration profile"),
                h("span", { class: "quiet" }, " for iPhone, iPad and Mac"),
            ),
            h(
                "li",
                {},
                h("span", { class: "quiet" }, "DNS records for it: "),
                h("code", {}, `mailstack dns ${domain}`),
            ),
        ),
    );
}

async function steps(client, address) {
    const page = await serverPage(`${PAGE}?${new URLSearchParams({ client, address: address ?? "" })}`);
    const list = page.querySelector("ol.instructions");
    if (!list) throw new Error(page.textContent.trim().slice(0, 300) || "The server has no steps for this client.");
    return h(
        "div",
        { class: "stack" },
        h(
            "header",
            { class: "client-head" },
            h("h1", {}, page.querySelector("h1")?.textContent ?? client),
            userText(address ?? "", { class: "quiet" }),
            h("a", { class: "button", href: hashOf(["setup"], { address }) }, icon("back"), "Other clients"),
        ),
        extras(page),
        h("ol", { class: "walk" }, [...list.children].map(step)),
        authority(page),
    );
}

function extras(page) {
    const profile = page.querySelector("a.button");
    const code = page.querySelector(".code");
    if (!profile && !code) return null;
    const picture = code?.querySelector("img");
    return h(
        "div",
        { class: "card extras" },
        profile
            ? h(
                  "a",
                  { class: "button primary", href: profile.getAttribute("href") },
                  icon("download"),
                  profile.textContent,
              )
            : null,
        picture
            ? h(
                  "figure",
                  {},
                  h("img", { src: picture.getAttribute("src"), alt: picture.alt, width: 205, height: 205 }),
                  h("figcaption", { class: "quiet" }, code.textContent.trim()),
              )
            : code
              ? h("p", { class: "quiet" }, code.textContent.trim())
              : null,
    );
}

/** Step: texts, and a form with the values. */
function step(item) {
    const texts = [...item.querySelectorAll("p")].map((each) =>
        each.firstElementChild?.tagName === "CODE"
            ? h("p", {}, h("code", {}, each.textContent))
            : h("p", {}, each.textContent),
    );
    const fields = [...item.querySelectorAll("dt")].map((name) => [
        name.textContent,
        name.nextElementSibling.textContent,
    ]);
    const text = item.querySelector("pre")?.textContent;
    return h(
        "li",
        {},
        texts,
        fields.length
            ? h(
                  "dl",
                  { class: "form" },
                  fields.map(([name, value]) =>
                      h(
                          "div",
                          {},
                          h("dt", {}, name),
                          h(
                              "dd",
                              {},
                              formValue(value),
                              value === "on" || value === "off" ? null : copyButton(value, name),
                          ),
                      ),
                  ),
              )
            : null,
        text
            ? h(
                  "figure",
                  { class: "file" },
                  h("pre", { class: "source", tabindex: "0" }, text),
                  copyButton(text, "these lines", "Copy"),
              )
            : null,
    );
}

/** Value as in the client: a field or a check mark. */
function formValue(value) {
    if (value === "on" || value === "off")
        return h(
            "span",
            { class: `tick ${value}` },
            value === "on" ? icon("check") : null,
            h("span", { class: "offstage" }, value),
        );
    return h("code", { dir: "auto" }, value);
}

function authority(page) {
    const link = [...page.querySelectorAll("a")].find((each) => each.getAttribute("href") === "ca.pem");
    return link
        ? h(
              "p",
              { class: "quiet" },
              "The certificate is signed by this server's private CA: ",
              h("a", { href: "ca.pem" }, "ca.pem"),
          )
        : null;
}

async function serverPage(path) {
    const page = await text(path, Infinity);
    return (
        new DOMParser().parseFromString(page.text, "text/html").querySelector("main") ?? document.createElement("main")
    );
}
