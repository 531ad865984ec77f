/*
 * The matrix of cases (rows, by area) and clients (columns): a table that is a grid for the keyboard.  One cell is in
 * the tab order; arrows move, Enter opens.
 */

const matrix = { rows: [], areas: [], current: null, chosen: new Set(), onlyBroken: false, needle: "", status: null };

function areaOf(id) {
    return id.split("/").slice(0, 2).join("/");
}

function cellLabel(client, row) {
    const letter = letterAt(client, row);
    if (letter === "-") return "not run";
    const standing = STANDINGS[standingAt(client, row)];
    return VERDICTS[letter].name + (standing ? ", " + standing : "");
}

function matrixCell(client, row, isWordy) {
    const letter = letterAt(client, row);
    const cell = document.createElement("td");
    cell.setAttribute("role", "gridcell");
    cell.setAttribute("aria-label", cellLabel(client, row));
    if (letter === "-") {
        cell.className = "cell";
        return cell;
    }
    cell.className = "cell result";
    cell.tabIndex = -1;
    cell.dataset.v = letter;
    cell.dataset.s = standingAt(client, row);
    cell.dataset.c = client;
    cell.dataset.r = row;
    const known = cell.dataset.s === "l" ? " known" : cell.dataset.s === "s" ? " stale" : "";
    const mark = cell.dataset.s === "l" ? "ᵏ" : cell.dataset.s === "s" ? "ˢ" : "";
    const text = isWordy ? VERDICTS[letter].sign + " " + VERDICTS[letter].name + known : VERDICTS[letter].sign + mark;
    cell.append(el("span", { class: "pill" }, text));
    return cell;
}

function matrixRow(item, row, isWordy) {
    const name = item.id.slice(areaOf(item.id).length + 1);
    const line = el(
        "tr",
        null,
        el(
            "th",
            { scope: "row", role: "rowheader" },
            el("code", null, oneLine(name)),
            " ",
            item.severity === "SHOULD" ? el("span", { class: "tag" }, "should") : null,
            el("span", { class: "requirement" }, oneLine(item.requirement)),
        ),
        data.clients.map((_, client) => matrixCell(client, row, isWordy)),
    );
    const summaries = data.clients.map((client, place) => {
        const detail = detailOf(place, row);
        return detail
            ? (detail.summary || "") + " " + (detail.skip_reason || "") + " " + (detail.listed_reason || "")
            : "";
    });
    matrix.rows.push({
        node: line,
        row,
        area: areaOf(item.id),
        text: [
            item.id,
            item.requirement,
            item.tag,
            item.severity,
            ...texts(item.bug),
            ...texts(item.source),
            ...summaries,
        ]
            .join("\n")
            .toLowerCase(),
        letters: new Set(data.verdicts.map((all) => all[row])),
        isBroken: data.standings.some((all) => all[row] === "u" || all[row] === "s"),
    });
    return line;
}

function areaHead(area, rows) {
    return el(
        "tr",
        { class: "area" },
        el(
            "th",
            { scope: "rowgroup", role: "rowheader" },
            oneLine(area),
            " ",
            el("span", { class: "muted" }, plural(rows.length, "case")),
        ),
        data.clients.map((_, client) => {
            const ran = rows.filter((row) => !"-s".includes(letterAt(client, row)));
            const passed = ran.filter((row) => letterAt(client, row) === "p").length;
            return el("td", { class: "cell share", role: "gridcell" }, ran.length ? passed + "/" + ran.length : "–");
        }),
    );
}

function matrixBody(isWordy) {
    const areas = new Map();
    data.cases.forEach((item, row) => {
        const area = areaOf(item.id);
        if (!areas.has(area)) areas.set(area, []);
        areas.get(area).push(row);
    });
    return [...areas].map(([area, rows]) => {
        const body = el(
            "tbody",
            { role: "rowgroup" },
            areaHead(area, rows),
            rows.map((row) => matrixRow(data.cases[row], row, isWordy)),
        );
        matrix.areas.push({ area, node: body });
        return body;
    });
}

/* ---- filter ------------------------------------------------------------------------------- */

function isShown(entry) {
    if (matrix.onlyBroken && !entry.isBroken) return false;
    if (matrix.chosen.size && ![...matrix.chosen].some((letter) => entry.letters.has(letter))) return false;
    return matrix.needle.split(/\s+/).every((word) => entry.text.includes(word));
}

function applyFilter() {
    const areas = new Set();
    let shown = 0;
    for (const entry of matrix.rows) {
        entry.node.hidden = !isShown(entry);
        if (entry.node.hidden) continue;
        shown++;
        areas.add(entry.area);
    }
    for (const { area, node } of matrix.areas) node.hidden = !areas.has(area);
    matrix.status.textContent =
        shown === matrix.rows.length ? plural(shown, "case") : shown + " of " + plural(matrix.rows.length, "case");
    document.getElementById("nothing").hidden = shown > 0;
    if (!matrix.current || matrix.current.closest("tr").hidden) takeFocus(shownCells()[0] || null);
}

function toggle(pressed, label, attributes, change) {
    const button = el(
        "button",
        { type: "button", class: "chip", "aria-pressed": String(pressed), ...attributes },
        label,
    );
    button.addEventListener("click", () => {
        const now = button.getAttribute("aria-pressed") !== "true";
        button.setAttribute("aria-pressed", String(now));
        change(now);
        applyFilter();
    });
    return button;
}

function verdictChips() {
    const counts = {};
    for (const line of data.verdicts) for (const letter of line) counts[letter] = (counts[letter] || 0) + 1;
    return Object.keys(VERDICTS)
        .filter((letter) => counts[letter])
        .map((letter) =>
            toggle(
                false,
                [
                    el("span", { "aria-hidden": "true" }, VERDICTS[letter].sign + " "),
                    VERDICTS[letter].name,
                    " ",
                    el("span", { class: "count" }, counts[letter]),
                ],
                { "data-v": letter, title: VERDICTS[letter].help },
                (on) => (on ? matrix.chosen.add(letter) : matrix.chosen.delete(letter)),
            ),
        );
}

function filterBar() {
    const search = el("input", {
        type: "search",
        id: "search",
        placeholder: "id, requirement, source, summary…",
        autocomplete: "off",
        spellcheck: "false",
        "aria-describedby": "shown",
    });
    search.addEventListener("input", () => {
        matrix.needle = search.value.trim().toLowerCase();
        applyFilter();
    });
    matrix.status = el("output", { id: "shown", class: "muted", "aria-live": "polite" });
    const broken = matrix.rows.filter((entry) => entry.isBroken).length;
    return el(
        "form",
        {
            class: "filter",
            role: "search",
            "aria-label": "Filter the cases",
            onsubmit: (event) => event.preventDefault(),
        },
        el("label", { for: "search" }, "Find"),
        search,
        el(
            "div",
            { class: "chips", role: "group", "aria-label": "Verdicts; none pressed shows all" },
            verdictChips(),
            broken
                ? toggle(
                      false,
                      ["Not in order ", el("span", { class: "count" }, broken)],
                      { id: "only-broken", title: "Cases with an unexpected problem or a stale list entry" },
                      (on) => {
                          matrix.onlyBroken = on;
                      },
                  )
                : null,
        ),
        matrix.status,
    );
}

/* ---- keyboard and mouse ---------------------------------------------------------------------- */

function shownCells() {
    return [...document.querySelectorAll("#matrix tbody:not([hidden]) tr:not([hidden]) td.result")];
}

/* The one cell that Tab goes to. */
function takeFocus(cell) {
    if (matrix.current) matrix.current.tabIndex = -1;
    matrix.current = cell;
    if (cell) cell.tabIndex = 0;
}

function cellAt(client, row) {
    return document.querySelector(`#matrix td.result[data-c="${client}"][data-r="${row}"]`);
}

/* The nearest cell in this direction; rows that are hidden and cells without a result are stepped over. */
function neighbour(cell, across, down) {
    const client = Number(cell.dataset.c);
    if (across) {
        for (let c = client + across; c >= 0 && c < data.clients.length; c += across) {
            const found = cellAt(c, cell.dataset.r);
            if (found) return found;
        }
        return null;
    }
    const rows = matrix.rows.filter((entry) => !entry.node.hidden).map((entry) => entry.row);
    for (let i = rows.indexOf(Number(cell.dataset.r)) + down; i >= 0 && i < rows.length; i += down) {
        const found = cellAt(client, rows[i]);
        if (found) return found;
    }
    return null;
}

const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function onMatrixKey(event) {
    const cell = event.target.closest("td.result");
    if (!cell || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        openCell(Number(cell.dataset.c), Number(cell.dataset.r));
        return;
    }
    const cells = event.key === "Home" || event.key === "End" ? shownCells() : null;
    const next = cells
        ? cells.at(event.key === "Home" ? 0 : -1)
        : MOVES[event.key]
          ? neighbour(cell, ...MOVES[event.key])
          : null;
    if (!next) return;
    event.preventDefault();
    takeFocus(next);
    next.focus();
}

function onMatrixClick(event) {
    const cell = event.target.closest("td.result");
    if (!cell) return;
    takeFocus(cell);
    openCell(Number(cell.dataset.c), Number(cell.dataset.r));
}

function onMatrixHover(event) {
    const cell = event.target.closest("td.result");
    if (!cell || cell.title) return;
    const detail = detailOf(Number(cell.dataset.c), Number(cell.dataset.r));
    cell.title =
        data.clients[cell.dataset.c].key +
        ": " +
        cell.getAttribute("aria-label") +
        (detail && detail.summary ? "\n" + shorten(detail.summary, 300) : "");
}

function matrixSection() {
    const isWordy = data.clients.length <= 4;
    const head = el(
        "tr",
        null,
        el("th", { scope: "col", role: "columnheader" }, "case"),
        data.clients.map((client) =>
            el(
                "th",
                { scope: "col", role: "columnheader", class: "client", title: client.key },
                el("span", null, oneLine(client.key)),
            ),
        ),
    );
    const grid = el(
        "table",
        {
            id: "matrix",
            role: "grid",
            "aria-label": "Verdicts: cases by clients",
            class: isWordy ? "wordy" : "dense",
            onkeydown: onMatrixKey,
            onclick: onMatrixClick,
            onmouseover: onMatrixHover,
        },
        el("caption", { class: "sr" }, "Cases in rows, clients in columns. Arrow keys move, Enter opens a result."),
        el("thead", null, head),
        matrixBody(isWordy),
    );
    return el(
        "section",
        { "aria-labelledby": "matrix-head" },
        el("h2", { id: "matrix-head" }, "Cases"),
        filterBar(),
        el("div", { class: "scroll grid" }, grid),
        el("p", { id: "nothing", class: "muted", hidden: true }, "No case fits this filter."),
        legend(),
    );
}

function legend() {
    return el(
        "p",
        { class: "legend muted" },
        Object.entries(VERDICTS).map(([letter, verdict]) => [
            el("span", { class: "tone", "data-v": letter }, verdict.sign + " " + verdict.name),
            " " + verdict.help + ". ",
        ]),
        "ᵏ known: in the known-failing or known-flaky list. ˢ stale: in the list, but not any more. ",
        "Filled cells need a look.",
    );
}
