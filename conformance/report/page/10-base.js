"use strict";
/*
 * Base: the data, words, and the only ways in which this page makes elements.  Everything in the data is untrusted
 * text: it becomes text nodes, never markup.
 */

const data = JSON.parse(document.getElementById("data").textContent);

const VERDICTS = {
    p: { name: "pass", sign: "✓", help: "everything that was asked for was seen" },
    f: { name: "fail", sign: "✗", help: "the client broke an expectation" },
    n: { name: "non-strict", sign: "≈", help: "only a SHOULD is not kept" },
    x: { name: "not-exercised", sign: "∅", help: "what the case is about did not happen; never a pass" },
    s: { name: "skipped", sign: "–", help: "the client says that it cannot do this" },
    a: { name: "adapter-error", sign: "!", help: "the adapter broke, not the client" },
    h: { name: "harness-error", sign: "‼", help: "the suite itself broke" },
};
const STANDINGS = { ".": "", l: "known", s: "stale list entry", u: "unexpected" };

/* ---- elements ---------------------------------------------------------------------------- */

const SVG = "http://www.w3.org/2000/svg";

/* Attributes: null leaves one out; "on..." are listeners.  Children: nodes, texts, arrays of these; null is nothing. */
function fill(node, attributes, children) {
    for (const [name, value] of Object.entries(attributes || {})) {
        if (value === null || value === undefined || value === false) continue;
        if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
        else node.setAttribute(name, value === true ? "" : String(value));
    }
    for (const child of children.flat(Infinity)) {
        if (child === null || child === undefined || child === false) continue;
        node.append(child instanceof Node ? child : document.createTextNode(String(child)));
    }
    return node;
}

function el(tag, attributes, ...children) {
    return fill(document.createElement(tag), attributes, children);
}

function svg(tag, attributes, ...children) {
    return fill(document.createElementNS(SVG, tag), attributes, children);
}

/* ---- texts -------------------------------------------------------------------------------- */

/* Characters that do not show, or that change how the text around them reads. */
const HIDDEN =
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

function visible(text) {
    return String(text).replace(HIDDEN, (c) => {
        const code = c.charCodeAt(0);
        return code < 0x100 ? "\\x" + code.toString(16).padStart(2, "0") : "\\u" + code.toString(16).padStart(4, "0");
    });
}

/* On one line. */
function oneLine(text) {
    return visible(text).replace(/\n/g, "\\n").replace(/\t/g, "\\t");
}

function shorten(text, max) {
    const points = Array.from(oneLine(text));
    return points.length <= max ? points.join("") : points.slice(0, max - 1).join("") + "…";
}

function json(value, indent) {
    return visible(JSON.stringify(value, null, indent) ?? "nothing");
}

function plural(count, word, words) {
    return count.toLocaleString("en") + " " + (count === 1 ? word : words || word + "s");
}

function duration(ms) {
    if (ms < 1000) return Math.round(ms) + " ms";
    if (ms < 60000) return (ms / 1000).toFixed(1).replace(/\.0$/, "") + " s";
    if (ms < 3600000) return (ms / 60000).toFixed(1).replace(/\.0$/, "") + " min";
    return (ms / 3600000).toFixed(1).replace(/\.0$/, "") + " h";
}

function texts(list) {
    return Array.isArray(list) ? list.filter((item) => typeof item === "string") : [];
}

function objects(list) {
    return Array.isArray(list) ? list.filter((item) => item && typeof item === "object") : [];
}

/* ---- pieces that recur --------------------------------------------------------------------- */

/* Only addresses that begin with http(s) become links, and owner/repo#1, which GitHub knows. */
function reference(text) {
    const issue = /^([A-Za-z0-9][\w.-]*\/[\w.-]+)#(\d+)$/.exec(text);
    const address = issue ? "https://github.com/" + issue[1] + "/issues/" + issue[2] : text;
    if (!/^https?:\/\/[^\s]+$/i.test(address)) return document.createTextNode(visible(text));
    return el("a", { href: address, rel: "noopener noreferrer", target: "_blank" }, visible(text));
}

function badge(letter, standing) {
    const verdict = VERDICTS[letter];
    return el(
        "span",
        { class: "badge", "data-v": letter, "data-s": standing },
        el("span", { "aria-hidden": "true" }, verdict.sign + " "),
        verdict.name,
        STANDINGS[standing] && standing !== "u" ? " · " + STANDINGS[standing] : null,
    );
}

function copyButton(getText, label) {
    const button = el("button", { type: "button", class: "quiet", "aria-label": "Copy " + label }, "Copy");
    const say = (text) => {
        button.textContent = text;
        setTimeout(() => {
            button.textContent = "Copy";
        }, 1500);
    };
    button.addEventListener("click", async () => {
        try {
            await navigator.clipboard.writeText(getText());
            say("Copied");
        } catch {
            const block = button.closest(".code").querySelector("pre");
            getSelection().selectAllChildren(block);
            say("Selected");
        }
    });
    return button;
}

/* Source text with a button that copies it. */
function codeBlock(text, label) {
    return el(
        "div",
        { class: "code" },
        copyButton(() => text, label),
        el("pre", { tabindex: "0", "aria-label": label }, visible(text)),
    );
}

function table(head, rows, attributes) {
    return el(
        "div",
        { class: "scroll" },
        el(
            "table",
            { class: "plain", ...attributes },
            el(
                "thead",
                null,
                el(
                    "tr",
                    null,
                    head.map((cell) => el("th", { scope: "col" }, cell)),
                ),
            ),
            el("tbody", null, rows),
        ),
    );
}
