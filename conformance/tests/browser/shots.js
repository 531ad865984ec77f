/* Pictures of the report for people to look at. */
"use strict";

const path = require("node:path");

const OPEN_STORY = 'td.result[data-c="1"][data-r="7"]';
const SHOTS = [
    { name: "wide-light", kind: "run", scheme: "light" },
    { name: "wide-dark", kind: "run", scheme: "dark" },
    { name: "story-light", kind: "run", scheme: "light", height: 1800, click: OPEN_STORY },
    { name: "story-dark", kind: "run", scheme: "dark", height: 1800, click: OPEN_STORY },
    { name: "narrow-light", kind: "run", scheme: "light", width: 420 },
    { name: "narrow-story-dark", kind: "run", scheme: "dark", width: 420, click: OPEN_STORY },
    { name: "mutants-light", kind: "run", scheme: "light", show: "#mutants" },
    { name: "matrix-light", kind: "matrix", scheme: "light" },
    { name: "hostile-light", kind: "hostile", scheme: "light", height: 1800, click: OPEN_STORY },
];

async function takeShots(browser, reports, folder) {
    for (const shot of SHOTS) {
        const page = await browser.page(shot);
        await page.open(reports[shot.kind].url);
        if (shot.click) await page.click(shot.click);
        if (shot.show) await page.eval(`document.querySelector(${JSON.stringify(shot.show)}).scrollIntoView()`);
        await page.shot(path.join(folder, shot.name + ".png"));
        await page.close();
    }
}

module.exports = takeShots;
