/* The kill matrix: which case notices which mutant. */

const MARKS = {
    K: { name: "killed", sign: "●", tone: "p", help: "the case fails for this mutant, as it should" },
    N: { name: "noticed", sign: "◐", tone: "n", help: "only non-strict: seen, but a run would stay green" },
    ".": { name: "not noticed", sign: "·", tone: "s", help: "the mutant passes" },
    V: { name: "void", sign: "?", tone: "f", help: "the reference does not pass either" },
    O: { name: "other", sign: "∅", tone: "x", help: "not exercised, skipped, or the adapter broke" },
    "-": { name: "not run", sign: "", tone: "s", help: "" },
};
const FINDINGS = {
    "surviving-mutant": "Surviving mutant",
    "case-kills-none": "Case that kills none, and gives no reason",
    "stale-kills-none": "Case with a reason for killing none, that does kill",
    "reference-does-not-pass": "Case that the reference does not pass",
};

const kills = data.kills || { mutants: [], marks: [], findings: [], details: [] };
const killDetails = new Map(objects(kills.details).map((detail) => [detail.c + ":" + detail.r, detail]));

function openKill(mutant, row) {
    const item = data.cases[row];
    const entry = kills.mutants[mutant];
    const mark = MARKS[kills.marks[mutant][row]];
    const detail = killDetails.get(mutant + ":" + row);
    const cell = document.querySelector(`#kills td[data-m="${mutant}"][data-r="${row}"]`);
    select(cell);
    showPanel(
        el("code", null, oneLine(item.id)),
        oneLine(entry.key),
        [
            el(
                "span",
                { class: "badge", "data-v": mark.tone },
                el("span", { "aria-hidden": "true" }, mark.sign + " "),
                mark.name,
            ),
            " ",
            el("span", { class: "muted" }, mark.help),
        ],
        [
            entry.imitates || texts(entry.bug).length
                ? facts([
                      ["the mutant", entry.imitates ? visible(entry.imitates) : null],
                      [
                          "is like",
                          texts(entry.bug).length
                              ? texts(entry.bug).map((bug, i) => [i ? ", " : null, reference(bug)])
                              : null,
                      ],
                  ])
                : null,
            detail || mark !== MARKS["."] ? detailBody(item, detail) : casePart(item),
        ],
        cell,
    );
    setPlace("case=" + encodeURIComponent(item.id) + "&client=" + encodeURIComponent(entry.key));
}

function killCount(mutant) {
    return [...kills.marks[mutant]].filter((mark) => mark === "K").length;
}

function mutantRow(entry, mutant) {
    const count = killCount(mutant);
    return el(
        "tr",
        null,
        el("th", { scope: "row" }, el("code", null, oneLine(entry.key.replace(/^mutant:/, "")))),
        el("td", null, visible(entry.imitates || "")),
        el(
            "td",
            null,
            texts(entry.bug).map((bug, i) => [i ? el("br") : null, reference(bug)]),
        ),
        el(
            "td",
            { class: "number" },
            count ? count : el("span", { class: "badge solid", "data-v": "f" }, "✗ survives"),
        ),
    );
}

function killCell(mutant, row) {
    const letter = kills.marks[mutant][row];
    const mark = MARKS[letter];
    const cell = document.createElement("td");
    cell.className = letter === "-" ? "cell" : "cell kill";
    cell.dataset.m = mutant;
    cell.dataset.r = row;
    cell.dataset.k = letter;
    cell.setAttribute("role", "gridcell");
    cell.setAttribute("aria-label", mark.name);
    cell.title = kills.mutants[mutant].key + ": " + mark.name;
    cell.textContent = mark.sign;
    if (letter !== "-") cell.tabIndex = -1;
    return cell;
}

function killRow(item, row) {
    const count = kills.marks.filter((marks) => marks[row] === "K").length;
    return el(
        "tr",
        null,
        el(
            "th",
            { scope: "row", role: "rowheader", title: item.requirement },
            el("code", null, oneLine(item.id)),
            " ",
            item.kills_none
                ? el("span", { class: "requirement", title: item.kills_none }, "none: " + oneLine(item.kills_none))
                : null,
        ),
        el("td", { class: "cell share", role: "gridcell" }, count || "–"),
        kills.mutants.map((_, mutant) => killCell(mutant, row)),
    );
}

function onKillKey(event) {
    const cell = event.target.closest("td.kill");
    if (!cell) return;
    const move = MOVES[event.key];
    if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        openKill(Number(cell.dataset.m), Number(cell.dataset.r));
    } else if (move) {
        const next = document.querySelector(
            `#kills td.kill[data-m="${+cell.dataset.m + move[0]}"][data-r="${+cell.dataset.r + move[1]}"]`,
        );
        if (!next) return;
        event.preventDefault();
        cell.tabIndex = -1;
        next.tabIndex = 0;
        next.focus();
    }
}

function onKillClick(event) {
    const cell = event.target.closest("td.kill");
    if (cell) openKill(Number(cell.dataset.m), Number(cell.dataset.r));
}

function killGrid() {
    const grid = el(
        "table",
        {
            id: "kills",
            role: "grid",
            class: "dense",
            "aria-label": "Kill matrix: cases by mutants",
            onkeydown: onKillKey,
            onclick: onKillClick,
        },
        el("caption", { class: "sr" }, "Cases in rows, mutants in columns. Arrow keys move, Enter opens."),
        el(
            "thead",
            null,
            el(
                "tr",
                null,
                el("th", { scope: "col", role: "columnheader" }, "case"),
                el("th", { scope: "col", role: "columnheader", class: "client" }, el("span", null, "kills")),
                kills.mutants.map((entry) =>
                    el(
                        "th",
                        { scope: "col", role: "columnheader", class: "client", title: entry.key },
                        el("span", null, oneLine(entry.key.replace(/^mutant:/, ""))),
                    ),
                ),
            ),
        ),
        el("tbody", null, data.cases.map(killRow)),
    );
    const first = grid.querySelector("td.kill");
    if (first) first.tabIndex = 0;
    return el("div", { class: "scroll grid" }, grid);
}

function findingList() {
    if (!kills.findings.length)
        return el("p", { class: "good" }, "✓ Every mutant is killed, and every case kills one or says why not.");
    return el(
        "ul",
        { class: "findings" },
        kills.findings.map((finding) =>
            el(
                "li",
                null,
                el("span", { class: "badge", "data-v": "f" }, "✗ " + FINDINGS[finding.kind]),
                " ",
                el("code", null, oneLine(finding.subject)),
                ": ",
                visible(finding.text),
            ),
        ),
    );
}

function killSection() {
    if (!kills.mutants.length) return null;
    const killed = kills.mutants.filter((_, mutant) => killCount(mutant)).length;
    return el(
        "section",
        { id: "mutants", "aria-labelledby": "mutants-head" },
        el("h2", { id: "mutants-head" }, "Mutants"),
        el("p", null, `Clients with one known bug each: ${killed} of ${kills.mutants.length} are caught by a case.`),
        findingList(),
        el(
            "details",
            { open: true },
            el("summary", null, "Kill matrix"),
            killGrid(),
            el(
                "p",
                { class: "legend muted" },
                ["K", "N", ".", "V", "O"].map((letter) => [
                    MARKS[letter].sign + " ",
                    MARKS[letter].name + ": " + MARKS[letter].help + ". ",
                ]),
            ),
        ),
        el(
            "details",
            null,
            el("summary", null, plural(kills.mutants.length, "mutant")),
            table(["mutant", "what it does", "like", "killed by"], kills.mutants.map(mutantRow)),
        ),
    );
}
