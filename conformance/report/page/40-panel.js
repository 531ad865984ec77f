/* The drill-down: everything about one client and one case. */

const details = new Map(objects(data.details).map((detail) => [detail.c + ":" + detail.r, detail]));
const panel = { node: null, opener: null };

function detailOf(client, row) {
    return details.get(client + ":" + row);
}

/* ---- parts -------------------------------------------------------------------------------- */

function part(title, ...children) {
    const list = children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
    return list.length ? el("section", { class: "part" }, el("h3", null, title), list) : null;
}

function value(text, tone) {
    return text === "" || text === undefined || text === null
        ? el("span", { class: "muted" }, "–")
        : el("code", { class: "value", "data-v": tone }, visible(text));
}

function problemsOf(detail) {
    return objects(detail.steps).flatMap((step) => objects(step.problems));
}

function problemsPart(detail) {
    const problems = problemsOf(detail);
    if (!problems.length) return null;
    return part(
        "Expected and seen",
        table(
            ["at", "expected", "seen"],
            problems.map((problem) =>
                el(
                    "tr",
                    null,
                    el("th", { scope: "row" }, el("code", null, visible(problem.at || ""))),
                    el("td", null, value(problem.expected, "p")),
                    el("td", null, value(problem.seen, "f")),
                ),
            ),
            { id: "problems" },
        ),
    );
}

function casePart(item) {
    const references = (list) => texts(list).map((text, i) => [i ? el("br") : null, reference(text)]);
    return part(
        "The case",
        el("p", { class: "lead" }, visible(item.requirement)),
        facts([
            ["severity", item.severity],
            ["tag", item.tag],
            ["source", texts(item.source).length ? references(item.source) : null],
            ["bugs it guards against", texts(item.bug).length ? references(item.bug) : null],
            ["kills no mutant, because", item.kills_none ? visible(item.kills_none) : null],
        ]),
    );
}

function listedPart(detail) {
    if (!detail.listed && !detail.listed_reason && !detail.skip_reason && !detail.issue_url) return null;
    return facts([
        ["in the list", detail.listed ? detail.listed + (detail.stale ? ", stale: take it out" : "") : null],
        ["its reason", detail.listed_reason ? visible(detail.listed_reason) : null],
        ["skipped because", detail.skip_reason ? visible(detail.skip_reason) : null],
        ["issue", detail.issue_url ? reference(String(detail.issue_url)) : null],
    ]);
}

/* What a step gave, in a few words. */
function outcomeWords(outcome) {
    if (!outcome || typeof outcome !== "object") return "no outcome";
    if (outcome.skipped) return "skipped: " + outcome.skipped;
    if (!outcome.error) return "value";
    const kind = "error " + (outcome.error.kind || "");
    return outcome.value ? "value, then " + kind : kind;
}

function without(object, names) {
    if (!object || typeof object !== "object" || Array.isArray(object)) return object;
    return Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name)));
}

function labelled(label, content) {
    return el(
        "div",
        { class: "labelled" },
        el("p", { class: "label" }, label),
        el("pre", { tabindex: "0", "aria-label": label }, content),
    );
}

function stepItem(step) {
    const count = objects(step.problems).length;
    const input = without(step.input, ["step", "op"]);
    return el(
        "li",
        null,
        el(
            "details",
            { open: count > 0 },
            el(
                "summary",
                null,
                el("code", null, oneLine(step.step || "?")),
                " ",
                el("strong", null, oneLine(step.op || "")),
                " ",
                el("span", { class: "muted" }, shorten(outcomeWords(step.outcome), 80)),
                count ? el("span", { class: "tone", "data-v": "f" }, " ✗ " + plural(count, "problem")) : null,
            ),
            input && Object.keys(input).length ? labelled("arguments", json(input, 2)) : null,
            step.expect !== undefined && step.expect !== null ? labelled("expected", json(step.expect, 2)) : null,
            step.outcome !== undefined
                ? labelled("the adapter answered", json(without(step.outcome, ["step"]), 2))
                : null,
        ),
    );
}

function stepsPart(detail) {
    const steps = objects(detail.steps);
    return steps.length ? part("Steps", el("ol", { class: "steps" }, steps.map(stepItem))) : null;
}

function okMark(isFine, words) {
    return [el("span", { class: "mark", "data-v": isFine ? "p" : "f" }, isFine ? "✓ " : "✗ "), words];
}

function entryButtons(entries, show) {
    const numbers = Array.isArray(entries) ? entries.filter((entry) => typeof entry === "number") : [];
    if (!numbers.length) return el("span", { class: "muted" }, "–");
    return numbers.map((number) => [
        el("button", { type: "button", class: "quiet", onclick: () => show(number) }, "#" + number),
        " ",
    ]);
}

function checksTable(kind, list, show) {
    if (!objects(list).length) return null;
    return table(
        [kind, "expected", "seen", "lines"],
        objects(list).map((check) =>
            el(
                "tr",
                null,
                el("th", { scope: "row" }, okMark(check.ok === true, visible(check.what || ""))),
                el("td", null, value(check.expected)),
                el("td", null, value(check.seen, check.ok === true ? null : "f")),
                el("td", null, entryButtons(check.entries, show)),
            ),
        ),
    );
}

const JOURNAL_TONES = { pass: "p", fail: "f", warn: "n" };

function checksPart(detail, show) {
    const journal = objects(detail.journal).filter((check) => check.verdict !== "not-exercised");
    const faults = objects(detail.faults);
    return part(
        "Evidence",
        checksTable("on the wire", detail.wire, show),
        checksTable("witness", detail.witness, show),
        journal.length
            ? table(
                  ["journal", "verdict", "what"],
                  journal.map((check) =>
                      el(
                          "tr",
                          null,
                          el("th", { scope: "row" }, visible(check.id || "")),
                          el(
                              "td",
                              null,
                              el(
                                  "span",
                                  { class: "tone", "data-v": JOURNAL_TONES[check.verdict] || "x" },
                                  visible(check.verdict || ""),
                              ),
                          ),
                          el("td", null, visible(check.what || "")),
                      ),
                  ),
              )
            : null,
        faults.length
            ? table(
                  ["fault", "planned", "fired"],
                  faults.map((fault) =>
                      el(
                          "tr",
                          null,
                          el("th", { scope: "row" }, visible([fault.scenario, fault.kind].filter(Boolean).join(" · "))),
                          el("td", null, visible(fault.planned ?? "–")),
                          el("td", null, okMark(!(fault.fired < fault.planned), visible(fault.fired ?? "–"))),
                      ),
                  ),
              )
            : null,
    );
}

function adapterPart(detail) {
    const adapter = detail.adapter && typeof detail.adapter === "object" ? detail.adapter : {};
    if (!adapter.stderr && !adapter.line && (!adapter.end || adapter.end === "answered")) return null;
    return part(
        "The adapter",
        adapter.end ? el("p", null, "It ended with: ", el("strong", null, visible(adapter.end))) : null,
        adapter.line ? labelled("the line that it printed", visible(adapter.line)) : null,
        adapter.stderr ? labelled("the end of its stderr", visible(adapter.stderr)) : null,
    );
}

function replayPart(detail) {
    const script = replayScript(objects(detail.ledger));
    return part(
        "Run it again",
        detail.rerun ? codeBlock(String(detail.rerun), "the command that runs this case again") : null,
        script
            ? el(
                  "details",
                  { id: "replay" },
                  el("summary", null, "The same requests with curl"),
                  el(
                      "p",
                      { class: "muted" },
                      "Against any server of this API. The scenario, its faults and the clock are not part of it; ",
                      "the command above has them.",
                  ),
                  codeBlock(script, "curl commands"),
              )
            : null,
    );
}

const CUTS = {
    ledger: "The middle of the time-line was left out to keep this page small; the JSON report has all of it.",
    details: "The details of this result were left out to keep this page small; the JSON report has them.",
};

function notesPart(detail) {
    const notes = (Array.isArray(detail.notes) ? detail.notes : []).map((note) =>
        typeof note === "string" ? note : note && note.what,
    );
    return notes.filter((note) => typeof note === "string").map((note) => el("p", { class: "notice" }, visible(note)));
}

/* ---- the panel ------------------------------------------------------------------------------ */

function detailBody(item, detail) {
    const line = detail ? timeline(objects(detail.ledger)) : null;
    const show = (number) => line && line.select(number);
    if (!detail) return [casePart(item), el("p", { class: "notice" }, CUTS.details)];
    return [
        detail.summary ? el("p", { class: "summary" }, visible(detail.summary)) : null,
        listedPart(detail),
        problemsPart(detail),
        casePart(item),
        checksPart(detail, show),
        line ? part("Time-line", line.node) : null,
        detail.cut ? el("p", { class: "notice" }, CUTS[detail.cut]) : null,
        stepsPart(detail),
        replayPart(detail),
        adapterPart(detail),
        notesPart(detail),
    ];
}

function showPanel(title, subtitle, head, body, opener) {
    const heading = el("h2", { id: "panel-head", tabindex: "-1" }, title);
    panel.opener = opener;
    panel.node.replaceChildren(
        el(
            "div",
            { class: "panel-bar" },
            el("div", null, heading, el("p", { class: "muted" }, subtitle)),
            el(
                "button",
                { type: "button", class: "close", "aria-label": "Close", title: "Close (Esc)", onclick: closePanel },
                "✕",
            ),
        ),
        el("p", { class: "badges" }, head),
        ...[body].flat(Infinity).filter(Boolean),
    );
    panel.node.hidden = false;
    document.body.classList.add("with-panel");
    panel.node.scrollTop = 0;
    heading.focus({ preventScroll: true });
    if (opener) opener.scrollIntoView({ block: "nearest", inline: "nearest" });
}

function closePanel() {
    if (panel.node.hidden) return;
    panel.node.hidden = true;
    document.body.classList.remove("with-panel");
    for (const cell of document.querySelectorAll("[aria-selected=true]")) cell.removeAttribute("aria-selected");
    if (panel.opener && panel.opener.isConnected) panel.opener.focus();
    setPlace("");
}

function select(cell) {
    for (const other of document.querySelectorAll("[aria-selected=true]")) other.removeAttribute("aria-selected");
    if (cell) cell.setAttribute("aria-selected", "true");
}

function setPlace(place) {
    try {
        history.replaceState(null, "", place ? "#" + place : location.pathname + location.search);
    } catch {
        /* Some browsers let no file change its address; only the link to this place is lost. */
    }
}

function openCell(client, row) {
    const item = data.cases[row];
    const letter = letterAt(client, row);
    const detail = detailOf(client, row);
    const cell = cellAt(client, row);
    const time = data.durations[client][row];
    select(cell);
    showPanel(
        el("code", null, oneLine(item.id)),
        oneLine(data.clients[client].key),
        [
            badge(letter, standingAt(client, row)),
            time > 0 ? el("span", { class: "muted" }, " in " + duration(time)) : null,
        ],
        detailBody(item, detail),
        cell,
    );
    setPlace("case=" + encodeURIComponent(item.id) + "&client=" + encodeURIComponent(data.clients[client].key));
}

/* The place in the address, as setPlace wrote it. */
function openPlace() {
    const place = new URLSearchParams(location.hash.slice(1));
    const row = data.cases.findIndex((item) => item.id === place.get("case"));
    const client = data.clients.findIndex((entry) => entry.key === place.get("client"));
    const mutant = kills.mutants.findIndex((entry) => entry.key === place.get("client"));
    if (row >= 0 && client >= 0 && letterAt(client, row) !== "-") openCell(client, row);
    else if (row >= 0 && mutant >= 0) openKill(mutant, row);
}
