/* Putting the page together. */

function pageFoot() {
    return el(
        "footer",
        { class: "muted" },
        data.left_out
            ? plural(data.left_out, "result") +
                  " of less interest came without details here, to keep this page small; the JSON report has them all. "
            : null,
        "Made by standbox-conformance " + visible(data.suite) + ". This file needs no network.",
    );
}

function onPageKey(event) {
    if (event.key === "Escape" && !panel.node.hidden) {
        event.preventDefault();
        closePanel();
    } else if (
        event.key === "/" &&
        !/^(INPUT|TEXTAREA)$/.test(event.target.tagName) &&
        !event.ctrlKey &&
        !event.metaKey
    ) {
        event.preventDefault();
        document.getElementById("search").focus();
    }
}

function buildPage() {
    panel.node = el("aside", { id: "panel", "aria-labelledby": "panel-head", hidden: true });
    document
        .getElementById("page")
        .replaceChildren(
            el("a", { class: "skip", href: "#matrix-head" }, "Skip to the cases"),
            el("main", null, pageHead(), data.clients.length ? matrixSection() : null, killSection(), pageFoot()),
            panel.node,
        );
    document.addEventListener("keydown", onPageKey);
    window.addEventListener("hashchange", openPlace);
    if (data.clients.length) applyFilter();
    openPlace();
}

buildPage();
