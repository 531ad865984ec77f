/* The head of the page: what came of it all, and of each client. */

const ENDINGS = {
    0: { sign: "✓", words: "Conformant", tone: "p" },
    1: { sign: "✗", words: "Not conformant", tone: "f" },
    3: { sign: "∅", words: "Inconclusive", tone: "x" },
    4: { sign: "‼", words: "The suite itself failed", tone: "h" },
    77: { sign: "–", words: "Nothing was selected", tone: "s" },
};

function letterAt(client, row) {
    return data.verdicts[client][row];
}

function standingAt(client, row) {
    return data.standings[client][row];
}

function countVerdicts(client) {
    const counts = { all: 0, u: 0, l: 0, s: 0, verdicts: {} };
    for (let row = 0; row < data.cases.length; row++) {
        const letter = letterAt(client, row);
        if (letter === "-") continue;
        counts.all++;
        counts.verdicts[letter] = (counts.verdicts[letter] || 0) + 1;
        const standing = standingAt(client, row);
        if (standing !== ".") counts[standing]++;
    }
    return counts;
}

function facts(pairs) {
    return el(
        "dl",
        { class: "facts" },
        pairs
            .filter((pair) => pair[1] !== null)
            .map(([name, value]) => el("div", null, el("dt", null, name), el("dd", null, value))),
    );
}

function bar(counts) {
    const parts = Object.keys(VERDICTS).filter((letter) => counts.verdicts[letter]);
    const label = parts.map((letter) => counts.verdicts[letter] + " " + VERDICTS[letter].name).join(", ");
    return el(
        "div",
        { class: "bar", role: "img", "aria-label": label || "no results" },
        parts.map((letter) => {
            const part = el("span", { "data-v": letter, title: counts.verdicts[letter] + " " + VERDICTS[letter].name });
            part.style.flexGrow = counts.verdicts[letter];
            return part;
        }),
    );
}

function clientRow(client, index) {
    const counts = countVerdicts(index);
    const states = [];
    if (counts.u) states.push(el("strong", { class: "tone", "data-v": "f" }, plural(counts.u, "unexpected problem")));
    if (counts.s)
        states.push(
            el("strong", { class: "tone", "data-v": "f" }, plural(counts.s, "stale list entry", "stale list entries")),
        );
    if (counts.l) states.push(counts.l + " known");
    if (!counts.u && !counts.s) states.unshift(counts.verdicts.p ? "in order" : "not one pass");
    return el(
        "tr",
        null,
        el(
            "th",
            { scope: "row" },
            visible(client.key),
            " ",
            el(
                "span",
                { class: "muted" },
                [client.name !== client.key ? client.name : null, client.version]
                    .filter(Boolean)
                    .map(oneLine)
                    .join(" "),
            ),
        ),
        el("td", { class: "muted" }, visible(client.language || "–")),
        el("td", { class: "wide" }, bar(counts)),
        el("td", { class: "number" }, (counts.verdicts.p || 0) + " / " + counts.all),
        el(
            "td",
            null,
            states.map((state, i) => [i ? ", " : null, state]),
        ),
    );
}

function clientTable() {
    const count = data.clients.length;
    return el(
        "details",
        { open: count <= 8, class: "clients" },
        el("summary", null, plural(count, "client")),
        table(["client", "language", "verdicts", "passed", "state"], data.clients.map(clientRow), { id: "clients" }),
    );
}

function noteTexts() {
    return (Array.isArray(data.notes) ? data.notes : [])
        .map((note) => (typeof note === "string" ? note : note && note.what))
        .filter((note) => typeof note === "string");
}

function pageHead() {
    const ending = ENDINGS[data.ending];
    const parts = objects(data.parts);
    return el(
        "header",
        { class: "head" },
        el("p", { class: "kicker" }, "Conformance of clients"),
        el("h1", null, visible(data.vendor)),
        el(
            "p",
            { class: "ending", "data-v": ending.tone },
            el("span", { class: "badge solid", "data-v": ending.tone }, ending.sign + " " + ending.words),
            " ",
            el("span", null, data.totals),
        ),
        facts([
            ["suite", visible(data.suite)],
            [
                "started",
                visible(data.started_at)
                    .replace("T", " ")
                    .replace(/(\.\d+)?Z$/, " UTC"),
            ],
            ["took", duration(data.duration_ms)],
            ["cases", data.cases.length.toLocaleString("en")],
            ["shard", parts.length > 1 ? "joined from " + plural(parts.length, "part") : visible(data.shard)],
            ["seed", typeof data.seed === "number" ? String(data.seed) : null],
            ["load", data.load_factor > 1 ? "× " + data.load_factor : null],
        ]),
        noteTexts().map((note) => el("p", { class: "notice" }, visible(note))),
        clientTable(),
    );
}
