/* What must be so in a browser.  Each function's name is its claim; what should be there is told by the JSON report. */
"use strict";

const assert = require("node:assert/strict");
const { execFileSync } = require("node:child_process");
const { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, writeFileSync } = require("node:fs");
const path = require("node:path");

const FAILING = 'td.result[data-v="f"][data-s="u"]';

/* ---- tools ----------------------------------------------------------------------------------- */

/* A page with this report; closed in the end, and nothing may have been complained about or asked of anybody. */
async function withPage({ browser, reports }, kind, options, look) {
    const page = await browser.page(options);
    try {
        await page.open(reports[kind].url + (options.hash || ""));
        await look(page, reports[kind].doc);
        await page.eval("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))");
        assert.deepEqual(page.complaints, []);
        assert.deepEqual([...new Set(page.requests.map((url) => url.replace(/#.*/, "")))], [reports[kind].url]);
    } finally {
        await page.close();
    }
}

const count = (page, selector) => page.eval(`document.querySelectorAll(${JSON.stringify(selector)}).length`);
const text = (page, selector) => page.eval(`document.querySelector(${JSON.stringify(selector)})?.innerText`);
const isOpen = (page) => page.eval("!document.getElementById('panel').hidden");
const shownRows = (page) =>
    page.eval(
        `[...document.querySelectorAll("#matrix tbody:not([hidden]) tr:not([hidden]):not(.area) th code")]
            .map((code) => code.innerText)`,
    );

function clientsOf(doc) {
    return doc.clients.filter((client) => !client.mutant);
}

function resultsOf(doc) {
    const keys = new Set(clientsOf(doc).map((client) => client.key));
    return doc.results.filter((result) => keys.has(result.client));
}

function find(doc, client, id) {
    return doc.results.find((result) => result.client === client && result.case === id);
}

function tally(items, key) {
    const counts = {};
    for (const item of items) counts[key(item)] = (counts[key(item)] || 0) + 1;
    return counts;
}

/* Run the page's curl commands with a curl that only writes down its arguments and its input, one file a call. */
function replay(script, folder) {
    const place = mkdtempSync(path.join(folder, "replay-"));
    mkdirSync(path.join(place, "x"));
    mkdirSync(path.join(place, "calls"));
    const curl = `curl() {
    local n; n=$(ls calls | wc -l)
    printf '%s\\0' "$@" >"calls/$(printf %03d "$n")"
    [[ " $* " != *" @- "* ]] || cat >"input-$n"
    cat <<'EOT'
{"id":"11111111-2222-4333-8444-555555555555","token": "fresh-token","process":{"id":"proc_aaaaaaaaaaaaaaaaaaaaaaaa"}}
EOT
  }
`;
    writeFileSync(path.join(place, "script"), curl + script);
    execFileSync("bash", ["script"], {
        cwd: place,
        env: { PATH: process.env.PATH, LC_ALL: "C.UTF-8", STANDBOX_TOKEN: "the-key" },
        stdio: "pipe",
    });
    const calls = readdirSync(path.join(place, "calls"))
        .sort()
        .map((name) =>
            readFileSync(path.join(place, "calls", name), "utf8")
                .split("\0")
                .slice(0, -1),
        );
    return { calls, place };
}

/* What follows an option in a call. */
function after(call, option) {
    return call.flatMap((word, i) => (word === option ? [call[i + 1]] : []));
}

/* The contrast of text and what is behind it, as WCAG counts it, of all that a selector finds; the lowest. */
const CONTRAST = `(selectors) => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (node) => {
    for (let n = node; n; n = n.parentElement) {
      const color = rgba(getComputedStyle(n).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255, 255];
  };
  const found = {};
  for (const selector of selectors) {
    for (const node of document.querySelectorAll(selector)) {
      const style = getComputedStyle(node);
      const [a, b] = [light(rgba(node instanceof SVGElement ? style.fill : style.color)), light(behind(node))];
      const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      found[selector] = Math.min(found[selector] ?? 99, ratio);
    }
  }
  return found;
}`;

/* What people read. */
const READ = [
    "h1",
    ".muted",
    ".facts dt",
    ".pill",
    ".badge",
    ".chip",
    ".requirement",
    ".plain td",
    ".value",
    ".tone",
    ".mark",
    "pre",
    "a",
    ".quiet",
    ".timeline text",
    ".notice",
];

/* ---- claims ----------------------------------------------------------------------------------- */

module.exports = {
    async the_matrix_has_each_result_once(world) {
        await withPage(world, "run", {}, async (page, doc) => {
            const seen = await page.eval(
                `[...document.querySelectorAll("#matrix td.result")]
                    .map((cell) => cell.getAttribute("aria-label").split(",")[0])`,
            );
            assert.deepEqual(
                tally(seen, (word) => word),
                tally(resultsOf(doc), (result) => result.verdict),
            );
            assert.equal(await count(page, "#matrix tbody tr:not(.area)"), doc.cases.length);
            assert.equal(await count(page, "#matrix thead th"), clientsOf(doc).length + 1);
            const areas = new Set(doc.cases.map((item) => item.id.split("/").slice(0, 2).join("/")));
            assert.equal(await count(page, "#matrix tr.area"), areas.size);
        });
    },

    async the_matrix_is_a_table_with_headers(world) {
        await withPage(world, "run", {}, async (page) => {
            assert.equal(await count(page, "#matrix tbody tr:not(:has(> th[scope]))"), 0);
            assert.equal(await count(page, "#matrix thead th:not([scope=col])"), 0);
            assert.equal(await count(page, "#matrix > caption"), 1);
            assert.equal(await count(page, "html[lang] h1"), 1);
        });
    },

    async a_verdict_is_never_told_by_colour_alone(world) {
        await withPage(world, "matrix", {}, async (page) => {
            const pairs = await page.eval(
                `[...document.querySelectorAll("#matrix td.result")]
                    .map((cell) => cell.dataset.v + cell.dataset.s + " " + cell.innerText)`,
            );
            const signs = new Map(pairs.map((pair) => pair.split(" ")));
            assert.equal(new Set(signs.values()).size, signs.size);
            assert.ok(signs.size >= 5, "the sample has too few kinds");
        });
    },

    async a_click_on_a_failing_cell_shows_expected_and_seen_and_the_time_line(world) {
        await withPage(world, "run", {}, async (page, doc) => {
            assert.equal(await isOpen(page), false);
            await page.click(FAILING);
            assert.equal(await isOpen(page), true);
            const result = find(doc, "hyperbrowser-python", "hyperbrowser/exec/exit-code");
            const shown = await text(page, "#panel");
            for (const part of [
                result.summary,
                doc.cases[0].requirement,
                ...doc.cases[0].source,
                "documented",
                "MUST",
                result.rerun,
            ])
                assert.ok(shown.includes(part), part + " is not in\n" + shown);
            assert.deepEqual(
                await page.eval(
                    `[...document.querySelectorAll("#problems tbody tr *:is(th, td)")].map((n) => n.innerText)`,
                ),
                ["r.value.exit_code", "7", "0"],
            );
            const requests = result.ledger.filter((line) => line.type === "request").length;
            assert.equal(await count(page, ".timeline .event"), result.ledger.length + requests);
            assert.equal(await count(page, ".timeline rect.open"), requests);
            assert.equal(await count(page, ".timeline rect.lives"), 1);
            const drawn = await page.eval(`document.querySelector(".timeline").textContent`);
            for (const word of ["process.exec", "started", "pid 4", "exited", "200"])
                assert.ok(drawn.includes(word), word);
            await page.eval(`document.querySelectorAll("#panel details").forEach((part) => { part.open = true; })`);
            assert.ok((await text(page, "#panel")).includes("KeyError"), "the adapter's stderr");
        });
    },

    async a_row_of_the_time_line_shows_its_line(world) {
        await withPage(world, "run", {}, async (page) => {
            await page.click(FAILING);
            await page.click(`.timeline .event[data-number="4"]`);
            assert.equal(JSON.parse(await text(page, ".line-detail pre")).fact, "started");
            await page.key("ArrowDown");
            assert.equal(JSON.parse(await text(page, ".line-detail pre")).fact, "out");
            await page.click("#panel table button.quiet");
            assert.equal(JSON.parse(await text(page, ".line-detail pre")).number, 2);
        });
    },

    async a_fault_and_a_cut_answer_stand_out_in_the_time_line(world) {
        await withPage(world, "run", {}, async (page) => {
            await page.click('td.result[data-c="1"][data-r="7"]');
            assert.match(await page.eval(`document.querySelector(".timeline .fault").textContent`), /cut/);
            assert.equal(await count(page, ".timeline .cross"), 1);
            assert.equal(await count(page, ".timeline rect.open-fault"), 1);
            /* A long run of output is folded into one row that can be opened. */
            assert.equal(await count(page, ".timeline [data-kind=fold]"), 1);
            await page.click(".timeline [data-kind=fold]");
            assert.match(await text(page, ".line-detail"), /line of output/);
        });
    },

    async half_an_hour_of_a_moved_clock_is_a_gap(world) {
        await withPage(world, "run", {}, async (page) => {
            await page.click('td.result[data-c="1"][data-r="4"]');
            assert.equal(await page.eval(`document.querySelector(".timeline .gap text").textContent`), "30 min");
            assert.ok((await page.eval(`document.querySelector(".timeline").getBoundingClientRect().height`)) < 600);
        });
    },

    async the_keyboard_is_enough(world) {
        await withPage(world, "run", {}, async (page) => {
            assert.equal(await count(page, "#matrix td.result[tabindex='0']"), 1);
            await page.eval(`document.querySelector("#matrix td.result[tabindex='0']").focus()`);
            await page.key("ArrowRight");
            assert.equal(
                await page.eval("document.activeElement.dataset.c + ',' + document.activeElement.dataset.r"),
                "1,0",
            );
            await page.key("Enter");
            assert.equal(await isOpen(page), true);
            assert.equal(await page.eval("document.activeElement.id"), "panel-head");
            await page.key("Escape");
            assert.equal(await isOpen(page), false);
            assert.equal(
                await page.eval("document.activeElement.dataset.c + ',' + document.activeElement.dataset.r"),
                "1,0",
            );
            await page.key("ArrowDown");
            await page.key("End");
            assert.equal(await page.eval("document.activeElement.dataset.r"), "19");
            await page.key("/");
            assert.equal(await page.eval("document.activeElement.id"), "search");
        });
    },

    async a_verdict_filters_the_rows(world) {
        await withPage(world, "run", {}, async (page, doc) => {
            const wanted = new Set(
                resultsOf(doc)
                    .filter((result) => result.verdict === "fail")
                    .map((result) => result.case),
            );
            await page.click('.chip[data-v="f"]');
            assert.deepEqual(
                await shownRows(page),
                doc.cases
                    .map((item) => item.id)
                    .filter((id) => wanted.has(id))
                    .map((id) => id.split("/").slice(2).join("/")),
            );
            assert.equal(
                await page.eval(`document.querySelector('.chip[data-v="f"]').getAttribute("aria-pressed")`),
                "true",
            );
            assert.equal(await text(page, "#shown"), wanted.size + " of 20 cases");
            await page.click('.chip[data-v="f"]');
            assert.equal((await shownRows(page)).length, doc.cases.length);
            await page.click("#only-broken");
            const broken = resultsOf(doc).filter(
                (r) =>
                    r.stale ||
                    (!r.listed && ["fail", "not-exercised", "adapter-error", "harness-error"].includes(r.verdict)),
            );
            assert.equal((await shownRows(page)).length, new Set(broken.map((result) => result.case)).size);
        });
    },

    async text_filters_the_rows(world) {
        await withPage(world, "run", {}, async (page) => {
            await page.click("#search");
            await page.type("RESUME split");
            assert.deepEqual(await shownRows(page), ["resume/Split:1", "resume/Split:2", "resume/Split:10"]);
            assert.equal(await count(page, "#matrix tbody:not([hidden])"), 1);
            assert.equal(await count(page, "#matrix tr:not([hidden]) td.result[tabindex='0']"), 1);
            await page.type(" nothing has this");
            assert.equal((await shownRows(page)).length, 0);
            assert.equal(await page.eval("document.getElementById('nothing').hidden"), false);
        });
    },

    async an_address_leads_to_a_result(world) {
        await withPage(world, "run", {}, async (page) => {
            await page.click(FAILING);
            world.hash = await page.eval("location.hash");
        });
        await withPage(world, "run", { hash: world.hash }, async (page) => {
            assert.equal(await text(page, "#panel-head"), "hyperbrowser/exec/exit-code");
        });
    },

    async the_kill_matrix_shows_who_kills_whom(world) {
        await withPage(world, "run", {}, async (page, doc) => {
            const mutants = doc.clients.filter((client) => client.mutant);
            const clean = new Set(
                doc.results.filter((r) => r.client === "standbox-refclient" && r.verdict === "pass").map((r) => r.case),
            );
            const killed = doc.results.filter(
                (r) => r.client.startsWith("mutant:") && r.verdict === "fail" && clean.has(r.case),
            );
            assert.equal(await count(page, `#kills td[data-k="K"]`), killed.length);
            assert.equal(await count(page, "#kills thead th"), mutants.length + 2);
            const findings = await text(page, ".findings");
            assert.match(findings, /Surviving mutant\s+mutant:refreshes-twice/);
            await page.click(`#kills td[data-k="K"]`);
            assert.match(await text(page, "#panel"), /reads a missing exit code as 0/);
            assert.match(await text(page, "#panel"), /expected 7, seen 0/);
        });
    },

    async curl_steps_say_what_was_asked(world) {
        await withPage(world, "run", {}, async (page, doc) => {
            for (const row of [0, 7, 12, 15]) {
                const result = find(doc, "hyperbrowser-python", doc.cases[row].id);
                const asked = result.ledger.filter((line) => line.type === "request");
                const { calls } = replay(await page.eval(`replayScript(detailOf(1, ${row}).ledger)`), world.folder);
                assert.equal(calls.length, asked.length);
                asked.forEach((line, i) => {
                    const box = line.path
                        .replace(line.sandbox, "11111111-2222-4333-8444-555555555555")
                        .replace(/proc_[0-9a-f]{24}/, "proc_aaaaaaaaaaaaaaaaaaaaaaaa");
                    assert.ok(
                        calls[i].includes("http://127.0.0.1:8700" + box),
                        calls[i].join(" ") + " asks for " + box,
                    );
                    assert.deepEqual(after(calls[i], "--data-raw"), line.body ? [line.body.data] : []);
                    assert.ok(
                        after(calls[i], "-H").includes(
                            i === 0 ? "X-Api-Key: the-key" : "Authorization: Bearer fresh-token",
                        ),
                        calls[i].join(" "),
                    );
                    assert.deepEqual(after(calls[i], "-X"), []);
                });
            }
        });
    },

    async hostile_text_stays_text(world) {
        await withPage(world, "hostile", {}, async (page, doc) => {
            for (let client = 0; client < 3; client++) {
                for (let row = 0; row < doc.cases.length; row++) {
                    if (!(await count(page, `td.result[data-c="${client}"][data-r="${row}"]`))) continue;
                    await page.eval(`openCell(${client}, ${row});
            document.querySelectorAll("#panel details").forEach((part) => { part.open = true; });
            document.querySelectorAll(".timeline .event")
              .forEach((event) => event.dispatchEvent(new MouseEvent("click")))`);
                    assert.ok(
                        (await text(page, "#panel")).includes("</script><img src=x onerror="),
                        "the text is not there",
                    );
                }
            }
            await page.eval(`document.querySelectorAll("#kills td.kill").forEach((cell) => cell.click())`);
            assert.equal(await page.eval("document.title"), "Conformance: hyperbrowser");
            assert.equal(await count(page, "script"), 2);
            assert.equal(
                await count(
                    page,
                    "img, iframe, object, embed, b, link, base, form:not(.filter), [onerror], [onclick], [style*=url]",
                ),
                0,
            );
            assert.deepEqual(
                await page.eval(
                    `[...document.links].map((link) => link.protocol)
                        .filter((p) => p !== "https:" && p !== "http:" && p !== "file:")`,
                ),
                [],
            );
        });
    },

    async hostile_text_in_curl_steps_is_quoted(world) {
        await withPage(world, "hostile", {}, async (page) => {
            const lines = await page.eval("detailOf(1, 0).ledger");
            const { calls, place } = replay(await page.eval("replayScript(detailOf(1, 0).ledger)"), world.folder);
            assert.equal(calls.length, lines.filter((line) => line.type === "request").length);
            assert.equal(existsSync(path.join(place, "owned")), false);
            assert.equal(existsSync(path.join(place, "x")), true);
            const script = await page.eval("replayScript(detailOf(1, 0).ledger)");
            assert.doesNotMatch(script, /[\u0000-\u0008\u000b-\u001f\u202e\u2028]/);
        });
    },

    async odd_bodies_come_through_the_shell_unchanged(world) {
        await withPage(world, "small", {}, async (page) => {
            for (const body of [
                "it's",
                "@file",
                "",
                '$HOME `id` "quoted" \\',
                "line\nline\ttab\r\n",
                "\u001b[31m\u202e\u2028é😀",
                "!history",
                "-x",
                "a  b",
                "=x",
                "~",
            ]) {
                const line = {
                    type: "request",
                    number: 1,
                    method: "PUT",
                    path: "/a b'c?d",
                    query: "q=[1]{2}",
                    headers: [{ name: "X-Empty", value: "" }],
                    body: { bytes: Buffer.byteLength(body), data: body, encoding: "utf-8" },
                };
                const { calls } = replay(await page.eval(`replayScript([${JSON.stringify(line)}])`), world.folder);
                assert.deepEqual(after(calls[0], "--data-raw"), body === "" ? [] : [body]);
                assert.ok(calls[0].includes("http://127.0.0.1:8700/a b'c?d?q=[1]{2}"), calls[0].join(" "));
                assert.deepEqual(after(calls[0], "-X"), ["PUT"]);
                assert.ok(after(calls[0], "-H").includes("X-Empty;"));
            }
        });
    },

    async bytes_come_through_the_shell_unchanged(world) {
        await withPage(world, "small", {}, async (page) => {
            const bytes = Buffer.from([0, 1, 255, 10, 39]);
            for (const body of [
                { bytes: 5, data: bytes.toString("base64"), encoding: "base64" },
                { bytes: 3, data: "a\0b", encoding: "utf-8" },
            ]) {
                const line = { type: "request", number: 1, method: "POST", path: "/x", headers: [], body };
                const { place } = replay(await page.eval(`replayScript([${JSON.stringify(line)}])`), world.folder);
                assert.deepEqual(
                    readFileSync(path.join(place, "input-0")),
                    body.encoding === "base64" ? bytes : Buffer.from("a\0b"),
                );
            }
        });
    },

    async a_large_matrix_stays_small_and_works(world) {
        assert.ok(world.reports.matrix.bytes < 4 << 20, world.reports.matrix.bytes + " bytes");
        await withPage(world, "matrix", {}, async (page, doc) => {
            assert.equal(await count(page, "#matrix td.result"), doc.results.length);
            await page.click("#only-broken");
            assert.ok((await shownRows(page)).length < doc.cases.length);
            await page.click(FAILING);
            assert.equal(await count(page, ".timeline"), 1);
        });
    },

    async the_smallest_document_makes_a_page(world) {
        await withPage(world, "small", {}, async (page) => {
            assert.match(await text(page, ".ending"), /Conformant\s+1 pass/);
            await page.click("td.result");
            assert.match(await text(page, "#panel"), /It works\./);
            assert.equal(await count(page, "#mutants"), 0);
        });
    },

    async nothing_sticks_out_of_a_narrow_screen(world) {
        for (const kind of ["run", "hostile"]) {
            await withPage(world, kind, { width: 420, height: 900 }, async (page) => {
                const tooWide = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
                assert.equal(await page.eval(tooWide), 0);
                await page.click(FAILING);
                assert.equal(await page.eval(tooWide), 0);
                assert.deepEqual(
                    await page.eval(`["width", "height"].map((side) => panel.node.getBoundingClientRect()[side])`),
                    [420, 900],
                );
                assert.ok((await page.eval("document.getElementById('panel').scrollWidth")) <= 420, kind);
            });
        }
    },

    async light_and_dark_can_both_be_read(world) {
        const backgrounds = [];
        for (const scheme of ["light", "dark"]) {
            await withPage(world, "run", { scheme }, async (page) => {
                backgrounds.push(await page.eval("getComputedStyle(document.body).backgroundColor"));
                await page.click('td.result[data-c="1"][data-r="7"]');
                const found = await page.eval(`(${CONTRAST})(${JSON.stringify(READ)})`);
                for (const [selector, ratio] of Object.entries(found))
                    assert.ok(ratio >= 4.5, `${scheme}: ${selector} has a contrast of ${ratio.toFixed(2)}`);
                assert.ok(Object.keys(found).length >= 12);
            });
        }
        assert.notEqual(backgrounds[0], backgrounds[1]);
    },
};
