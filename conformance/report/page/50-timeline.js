/*
 * The time-line: client, server and processes as lanes, time going down, one row for each thing that happened.  Rows
 * are evenly spaced: what matters is the order, and a wait of half an hour (of a clock that was moved) is one row, too.
 */

const LANE = { time: 66, client: 96, server: 280, first: 332, process: 204, row: 25, top: 40, run: 6, most: 600 };

/* ---- from ledger lines to events --------------------------------------------------------------- */

function byteCount(bytes) {
    return bytes && typeof bytes.bytes === "number" ? bytes.bytes : 0;
}

function preview(bytes) {
    if (!bytes || typeof bytes.data !== "string") return "";
    return bytes.encoding === "base64"
        ? plural(byteCount(bytes), "byte") + ", not text"
        : JSON.stringify(bytes.data).slice(1, -1);
}

const FACTS = {
    queued: () => ["queued", ""],
    started: (line) => ["started", "pid " + (line.pid ?? "?")],
    out: (line) => ["out", preview(line.output)],
    err: (line) => ["err", preview(line.output)],
    stdin: (line) => ["stdin", preview(line.input)],
    "stdin-eof": () => ["stdin closed", ""],
    signalled: (line) => ["signal", [line.signal, line.by && "by " + line.by].filter(Boolean).join(" ")],
    "timed-out": (line) => ["timed out", line.limit_ms !== undefined ? "after " + duration(line.limit_ms) : ""],
    exited: (line) => ["exited", String(line.exit_code ?? "?")],
    died: (line) => ["died", String(line.signal ?? "") + (line.core_dumped ? ", core" : "")],
    "start-failed": (line) => ["start failed", String(line.error ?? "")],
    "output-eof": (line) => ["output ends", line.held_by_survivor ? "held by a survivor" : ""],
};
/* Which way a fact goes between server and process. */
const WAYS = { started: 1, stdin: 1, "stdin-eof": 1, signalled: 1, out: -1, err: -1, exited: -1, died: -1 };

/* An answer's end has no number.  It comes behind all that has its time, but before what began after it. */
function placeEnds(events, requests) {
    for (const line of requests) {
        if (typeof line.end_ms !== "number") continue;
        let at = events.length;
        for (let i = 0; i < events.length; i++) {
            const event = events[i];
            const isLater =
                event.time > line.end_ms ||
                (event.time === line.end_ms && event.kind === "begin" && event.line.number > line.number);
            if (isLater && !(event.kind === "begin" && event.line === line)) {
                at = i;
                break;
            }
        }
        const begin = events.findIndex((event) => event.kind === "begin" && event.line === line);
        events.splice(Math.max(at, begin + 1), 0, { kind: "end", time: line.end_ms, line });
    }
}

/* A long run of output of one process becomes three rows and a word about the rest. */
function foldRuns(events) {
    const isOutput = (event) => event.kind === "fact" && (event.line.fact === "out" || event.line.fact === "err");
    const folded = [];
    for (let i = 0; i < events.length;) {
        let end = i;
        while (end < events.length && isOutput(events[end]) && events[end].line.process === events[i].line.process)
            end++;
        if (end - i <= LANE.run) {
            folded.push(events[i]);
            i++;
            continue;
        }
        folded.push(
            events[i],
            events[i + 1],
            { kind: "fold", time: events[i + 2].time, line: events[i].line, events: events.slice(i + 2, end - 1) },
            events[end - 1],
        );
        i = end;
    }
    return folded;
}

function eventsOf(lines) {
    const sorted = lines
        .filter((line) => typeof line.time_ms === "number")
        .sort((a, b) => a.time_ms - b.time_ms || a.number - b.number);
    const events = sorted.map((line) => ({
        kind: line.type === "request" ? "begin" : "fact",
        time: line.time_ms,
        line,
    }));
    placeEnds(
        events,
        sorted.filter((line) => line.type === "request"),
    );
    const folded = foldRuns(events);
    if (folded.length <= LANE.most) return folded;
    const half = LANE.most / 2;
    return [
        ...folded.slice(0, half),
        { kind: "fold", time: folded[half].time, line: {}, events: folded.slice(half, -half) },
        ...folded.slice(-half),
    ];
}

/* ---- words --------------------------------------------------------------------------------------- */

function requestWords(line) {
    return line.op || [line.method, line.path].filter(Boolean).join(" ") || "request";
}

function answerWords(line) {
    const status = line.answer && line.answer.status ? String(line.answer.status) : "no answer";
    const end = line.end && line.end !== "complete" ? ", " + line.end : "";
    return status + end + " · " + duration(Math.max(0, line.end_ms - line.time_ms));
}

function faultWords(line) {
    if (!line.fault) return "";
    return (line.fault.kind || "fault") + (line.fault.fired === false ? " (did not strike)" : "");
}

function foldWords(event) {
    const bytes = event.events.reduce((sum, one) => sum + byteCount(one.line.output), 0);
    return "… " + plural(event.events.length, "more row") + (bytes ? ", " + plural(bytes, "byte") : "");
}

function eventWords(event) {
    if (event.kind === "begin") return requestWords(event.line);
    if (event.kind === "end") return answerWords(event.line);
    if (event.kind === "fold") return foldWords(event);
    const word = FACTS[event.line.fact];
    return word ? word(event.line).filter(Boolean).join(" ") : String(event.line.fact);
}

/* For those who do not see the drawing. */
function eventLabel(event, time) {
    const who = { begin: "client asks: ", end: "server answers: ", fact: "process: ", fold: "" }[event.kind];
    const fault = event.kind === "end" && event.line.fault ? ", fault " + faultWords(event.line) : "";
    return oneLine(time + ", " + who + eventWords(event) + fault);
}

/* ---- drawing --------------------------------------------------------------------------------------- */

function arrow(from, to, y, attributes) {
    const tip = to > from ? -5 : 5;
    return [
        svg("line", { x1: from, y1: y, x2: to, y2: y, class: "arrow", ...attributes }),
        svg("path", { d: `M${to + tip} ${y - 3.5} L${to} ${y} L${to + tip} ${y + 3.5}`, class: "tip", ...attributes }),
    ];
}

function label(x, y, text, max, attributes) {
    return svg("text", { x, y, ...attributes }, shorten(text, max));
}

/* Where things are: rows, lanes of processes, and beside how many others a request was open. */
function layOut(events) {
    const processes = [];
    const open = [];
    let y = LANE.top;
    let last = null;
    for (const event of events) {
        if (last !== null && event.time - last >= 5000) {
            event.gap = event.time - last;
            y += LANE.row;
        }
        last = event.time;
        event.y = y + LANE.row / 2;
        y += LANE.row;
        const process = event.line.process;
        if (event.kind !== "begin" && event.kind !== "end" && process && !processes.includes(process))
            processes.push(process);
        if (event.kind === "begin") {
            let depth = open.indexOf(undefined);
            if (depth < 0) depth = open.length;
            open[depth] = event.line;
            event.depth = depth;
        } else if (event.kind === "end") {
            event.depth = Math.max(0, open.indexOf(event.line));
            open[event.depth] = undefined;
        }
    }
    return { processes, height: y + 10, width: LANE.first + Math.max(1, processes.length) * LANE.process };
}

function laneOf(place, process) {
    return LANE.first + 14 + Math.max(0, place.processes.indexOf(process)) * LANE.process;
}

function drawLanes(place, events) {
    const commands = new Map(
        events.filter((event) => event.line.command).map((event) => [event.line.process, event.line.command]),
    );
    const lanes = [
        ["client", LANE.client],
        ["server", LANE.server],
        ...place.processes.map((process) => [commands.get(process) || process, laneOf(place, process)]),
    ];
    return lanes.map(([name, x], i) => [
        svg("line", { x1: x, y1: LANE.top - 8, x2: x, y2: place.height - 6, class: "life" }),
        svg(
            "text",
            { x: i < 2 ? x : x - 8, y: 18, class: i < 2 ? "lane middle" : "lane code" },
            shorten(name, i < 2 ? 20 : 27),
            svg("title", null, oneLine(name)),
        ),
    ]);
}

/* The bars: how long a request was open, how long a process lived. */
function drawBars(place, events) {
    const bars = [];
    for (const event of events) {
        if (event.kind !== "begin") continue;
        const end = events.find((other) => other.kind === "end" && other.line === event.line);
        bars.push(
            svg("rect", {
                x: LANE.server - 4 + event.depth * 7,
                y: event.y - 4,
                width: 8,
                rx: 2,
                height: (end ? end.y : place.height - 10) - event.y + 8,
                class: event.line.fault ? "open-fault" : "open",
            }),
        );
    }
    for (const process of place.processes) {
        const own = events.filter((event) => event.kind === "fact" && event.line.process === process);
        const start = own.find((event) => event.line.fact === "started");
        const end = own.find((event) => event.line.fact === "exited" || event.line.fact === "died");
        if (start)
            bars.push(
                svg("rect", {
                    x: laneOf(place, process) - 4,
                    y: start.y - 4,
                    width: 8,
                    rx: 2,
                    height: (end ? end.y : place.height - 10) - start.y + 8,
                    class: "lives",
                }),
            );
    }
    return bars;
}

function drawRequest(event) {
    const isEnd = event.kind === "end";
    const line = event.line;
    const status = isEnd && line.answer ? line.answer.status : 0;
    const isBroken = isEnd && line.end && line.end !== "complete";
    const tone = isBroken || status >= 500 ? "bad" : status >= 400 ? "warn" : "";
    const text = shorten(eventWords(event), 30);
    const server = LANE.server - 4;
    return [
        isEnd
            ? arrow(server, LANE.client + (isBroken ? 60 : 2), event.y + 5, { "data-tone": tone })
            : arrow(LANE.client + 2, server, event.y + 5),
        isBroken ? label(LANE.client + 48, event.y + 9, "✗", 2, { class: "cross" }) : null,
        label((LANE.client + LANE.server) / 2, event.y + 1, text, 30, {
            class: "middle " + (isEnd ? "answer" : "ask"),
            "data-tone": tone,
        }),
        isEnd && line.fault
            ? label(LANE.server + 12 + event.depth * 7, event.y + 4, "⚡ " + faultWords(line), 26, { class: "fault" })
            : null,
    ];
}

function drawFact(event, place) {
    const x = laneOf(place, event.line.process);
    const words = FACTS[event.line.fact] ? FACTS[event.line.fact](event.line) : [String(event.line.fact), ""];
    const way = WAYS[event.line.fact];
    const isEnd = ["exited", "died", "start-failed"].includes(event.line.fact);
    const isBad = ["died", "start-failed", "timed-out"].includes(event.line.fact);
    const ends = [LANE.server + 5, x - 7];
    return [
        way ? arrow(...(way > 0 ? ends : ends.reverse()), event.y, { class: "arrow faint" }) : null,
        isEnd
            ? svg("rect", { x: x - 5, y: event.y - 5, width: 10, height: 10, class: isBad ? "dot bad" : "dot" })
            : svg("circle", { cx: x, cy: event.y, r: 4, class: isBad ? "dot bad" : "dot" }),
        svg(
            "text",
            { x: x + 12, y: event.y + 4 },
            words[0],
            " ",
            svg("tspan", { class: "code faint" }, shorten(words[1], Math.max(4, 25 - words[0].length))),
        ),
    ];
}

function drawFold(event, place) {
    const x = event.line.process ? laneOf(place, event.line.process) : LANE.client;
    return svg("text", { x: x + 12, y: event.y + 4, class: "more" }, foldWords(event));
}

function drawGap(event, width) {
    const y = event.y - LANE.row;
    return svg(
        "g",
        { class: "gap" },
        svg("path", {
            d:
                "M" +
                LANE.time +
                " " +
                y +
                Array.from(
                    { length: Math.floor((width - LANE.time) / 12) },
                    (_, i) => " l6 " + (i % 2 ? 4 : -4) + " l6 " + (i % 2 ? -4 : 4),
                ).join(""),
        }),
        svg("text", { x: LANE.time - 6, y: y + 4, class: "time" }, duration(event.gap)),
    );
}

/* ---- the whole ---------------------------------------------------------------------------------- */

function timelineDetail(box, event) {
    if (event.kind === "fold") {
        box.replaceChildren(
            labelled(
                "rows that are folded here",
                event.events
                    .slice(0, 2000)
                    .map((one) => json(one.line))
                    .join("\n"),
            ),
        );
        return;
    }
    const line = event.line;
    const words = line.type === "request" ? [line.method, line.path].filter(Boolean).join(" ") : eventWords(event);
    box.replaceChildren(
        el(
            "p",
            null,
            el("strong", null, "#" + line.number + " "),
            oneLine(words),
            line.request_id ? el("span", { class: "muted" }, " " + oneLine(line.request_id)) : null,
        ),
        labelled("line " + line.number + " of the ledger", json(line, 2)),
    );
}

/* Returns {node, select(number)}, or null when nothing came to the server. */
function timeline(lines) {
    const events = eventsOf(lines);
    if (!events.length) return null;
    const place = layOut(events);
    const begin = events[0].time;
    const box = el(
        "div",
        { class: "line-detail", "aria-live": "polite" },
        el("p", { class: "muted" }, "Choose a row to see its line of the ledger."),
    );
    const groups = [];

    function choose(index, isFocus) {
        groups.forEach((group, i) => {
            group.setAttribute("tabindex", i === index ? "0" : "-1");
            if (i === index) group.setAttribute("aria-current", "true");
            else group.removeAttribute("aria-current");
        });
        timelineDetail(box, events[index]);
        if (isFocus) groups[index].focus();
    }

    function onKey(event, index) {
        const next = { ArrowDown: index + 1, ArrowUp: index - 1, Home: 0, End: events.length - 1 }[event.key];
        if (event.key === "Enter" || event.key === " ") choose(index);
        else if (next !== undefined && groups[next]) choose(next, true);
        else return;
        event.preventDefault();
    }

    let shownTime = null;
    events.forEach((event, index) => {
        const time = "+" + duration(event.time - begin);
        const draw = { begin: drawRequest, end: drawRequest, fact: drawFact, fold: drawFold }[event.kind];
        groups.push(
            svg(
                "g",
                {
                    class: "event",
                    role: "button",
                    tabindex: index === 0 ? "0" : "-1",
                    "aria-label": eventLabel(event, time),
                    "data-number": event.line.number,
                    "data-kind": event.kind,
                    onclick: () => choose(index, true),
                    onkeydown: (key) => onKey(key, index),
                },
                svg("rect", { x: 0, y: event.y - LANE.row / 2, width: place.width, height: LANE.row, class: "hit" }),
                event.gap ? drawGap(event, place.width) : null,
                time !== shownTime ? svg("text", { x: LANE.time - 6, y: event.y + 4, class: "time" }, time) : null,
                draw(event, place),
            ),
        );
        shownTime = time;
    });
    const drawing = svg(
        "svg",
        {
            class: "timeline",
            width: place.width,
            height: place.height,
            role: "group",
            viewBox: `0 0 ${place.width} ${place.height}`,
            "aria-label": "Time-line of client, server and processes, " + plural(events.length, "row"),
        },
        drawLanes(place, events),
        drawBars(place, events),
        groups,
    );
    return {
        node: [el("div", { class: "scroll" }, drawing), box],
        select(number) {
            const index = events.findIndex(
                (event) =>
                    event.line.number === number ||
                    (event.kind === "fold" && event.events.some((one) => one.line.number === number)),
            );
            if (index < 0) return;
            choose(index, true);
            groups[index].scrollIntoView({ block: "center", inline: "nearest" });
        },
    };
}
