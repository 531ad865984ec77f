/*
 * A real browser without any package: Chromium in its headless mode, driven over two pipes (--remote-debugging-pipe:
 * JSON messages ended by NUL).  Nothing listens on a port.
 */
"use strict";

const { spawn } = require("node:child_process");
const { accessSync, constants, mkdtempSync, rmSync } = require("node:fs");
const { tmpdir } = require("node:os");
const path = require("node:path");

const NAMES = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chromium-headless-shell",
    "chrome",
];
const PATIENCE_MS = 60000;

/* The path of a browser, or null.  STANDBOX_BROWSER names another one. */
function findBrowser() {
    if (process.env.STANDBOX_BROWSER) return process.env.STANDBOX_BROWSER;
    for (const folder of (process.env.PATH || "").split(path.delimiter)) {
        for (const name of NAMES) {
            const file = path.join(folder, name);
            try {
                accessSync(file, constants.X_OK);
                return file;
            } catch {
                /* not here */
            }
        }
    }
    return null;
}

class Browser {
    constructor(program) {
        this.profile = mkdtempSync(path.join(tmpdir(), "standbox-browser-"));
        this.next = 1;
        this.waiting = new Map();
        this.listeners = new Set();
        this.rest = Buffer.alloc(0);
        this.log = "";
        /* In containers tests run as root, where the browser's own sandbox cannot work; it only sees our files here. */
        const options = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--hide-scrollbars",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-extensions",
            "--mute-audio",
            "--force-color-profile=srgb",
            "--remote-debugging-pipe",
            "--user-data-dir=" + this.profile,
            "about:blank",
        ];
        /* A group of its own, so that all of its processes can be ended. */
        this.child = spawn(program, options, { stdio: ["ignore", "ignore", "pipe", "pipe", "pipe"], detached: true });
        this.child.stderr.on("data", (data) => {
            this.log = (this.log + data).slice(-4000);
        });
        this.child.stdio[4].on("data", (data) => this.take(data));
        this.child.stdio[3].on("error", () => {});
        this.gone = new Promise((resolve) => {
            this.child.on("error", (error) => resolve(error.message));
            this.child.on("exit", (code, signal) => resolve("ended with " + (signal || code)));
        });
        this.gone.then((how) => {
            for (const { reject } of this.waiting.values()) reject(new Error("the browser " + how + "\n" + this.log));
            this.waiting.clear();
        });
    }

    take(data) {
        this.rest = Buffer.concat([this.rest, data]);
        for (let end = this.rest.indexOf(0); end >= 0; end = this.rest.indexOf(0)) {
            const message = JSON.parse(this.rest.subarray(0, end).toString("utf8"));
            this.rest = this.rest.subarray(end + 1);
            if (message.id === undefined) {
                for (const listener of this.listeners) listener(message);
                continue;
            }
            const waiter = this.waiting.get(message.id);
            this.waiting.delete(message.id);
            if (message.error) waiter.reject(new Error(waiter.method + ": " + message.error.message));
            else waiter.resolve(message.result);
        }
    }

    send(method, params, sessionId) {
        const id = this.next++;
        return new Promise((resolve, reject) => {
            const timer = setTimeout(() => {
                this.waiting.delete(id);
                reject(new Error(method + ": no answer in " + PATIENCE_MS + " ms\n" + this.log));
            }, PATIENCE_MS);
            const done = (end) => (value) => {
                clearTimeout(timer);
                end(value);
            };
            this.waiting.set(id, { method, resolve: done(resolve), reject: done(reject) });
            this.child.stdio[3].write(JSON.stringify({ id, method, params, sessionId }) + "\0");
        });
    }

    /* A new tab. */
    async page(options) {
        const { targetId } = await this.send("Target.createTarget", { url: "about:blank" });
        const { sessionId } = await this.send("Target.attachToTarget", { targetId, flatten: true });
        const page = new Page(this, sessionId, targetId);
        await page.begin(options || {});
        return page;
    }

    async close() {
        try {
            process.kill(-this.child.pid, "SIGKILL");
        } catch {
            /* it never began, or has ended */
        }
        await this.gone;
        rmSync(this.profile, { recursive: true, force: true, maxRetries: 5 });
    }
}

const KEYS = {
    Enter: 13,
    Escape: 27,
    Home: 36,
    End: 35,
    ArrowLeft: 37,
    ArrowUp: 38,
    ArrowRight: 39,
    ArrowDown: 40,
    Tab: 9,
    "/": 191,
};

class Page {
    constructor(browser, session, target) {
        Object.assign(this, { browser, session, target, complaints: [], requests: [], loads: 0, waiters: [] });
    }

    send(method, params) {
        return this.browser.send(method, params, this.session);
    }

    async begin({ width = 1440, height = 1000, scheme = "light" }) {
        this.listener = (message) => this.hear(message);
        this.browser.listeners.add(this.listener);
        for (const domain of ["Page", "Runtime", "Log", "Network"]) await this.send(domain + ".enable");
        await this.send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: false });
        await this.send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
    }

    hear({ method, params, sessionId }) {
        if (sessionId !== this.session) return;
        if (method === "Runtime.exceptionThrown")
            this.complaints.push(params.exceptionDetails.exception?.description || params.exceptionDetails.text);
        if (method === "Runtime.consoleAPICalled")
            this.complaints.push("console." + params.type + ": " + params.args.map((arg) => arg.value).join(" "));
        if (method === "Log.entryAdded")
            this.complaints.push("log: " + params.entry.text + " " + (params.entry.url || ""));
        if (method === "Network.requestWillBeSent") this.requests.push(params.request.url);
        if (method === "Page.javascriptDialogOpening") {
            this.complaints.push("dialog: " + params.message);
            this.send("Page.handleJavaScriptDialog", { accept: true }).catch(() => {});
        }
        if (method === "Page.loadEventFired") {
            this.loads++;
            for (const waiter of this.waiters.splice(0)) waiter();
        }
    }

    async open(url) {
        const loaded = new Promise((resolve) => this.waiters.push(resolve));
        await this.send("Page.navigate", { url });
        await loaded;
    }

    /* The value of an expression in the page (promises are awaited). */
    async eval(expression) {
        const { result, exceptionDetails } = await this.send("Runtime.evaluate", {
            expression,
            returnByValue: true,
            awaitPromise: true,
        });
        if (exceptionDetails)
            throw new Error(expression + ": " + (exceptionDetails.exception?.description || exceptionDetails.text));
        return result.value;
    }

    async key(key) {
        const event = {
            key,
            code: key,
            windowsVirtualKeyCode: KEYS[key],
            text: key === "Enter" ? "\r" : key.length === 1 ? key : undefined,
        };
        await this.send("Input.dispatchKeyEvent", { type: "keyDown", ...event });
        await this.send("Input.dispatchKeyEvent", { type: "keyUp", ...event, text: undefined });
    }

    async type(text) {
        await this.send("Input.insertText", { text });
    }

    /* Click in the middle of what a selector finds, as a mouse does: what lies above it gets the click. */
    async click(selector) {
        const where = await this.eval(`(() => {
      const node = document.querySelector(${JSON.stringify(selector)});
      if (!node) return null;
      node.scrollIntoView({ block: "center", inline: "center" });
      const box = node.getBoundingClientRect();
      return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
    })()`);
        if (!where) throw new Error("nothing to click: " + selector);
        for (const type of ["mouseMoved", "mousePressed", "mouseReleased"])
            await this.send("Input.dispatchMouseEvent", {
                type,
                ...where,
                button: type === "mouseMoved" ? "none" : "left",
                clickCount: 1,
            });
    }

    async shot(file, options) {
        const { data } = await this.send("Page.captureScreenshot", { format: "png", ...options });
        require("node:fs").writeFileSync(file, Buffer.from(data, "base64"));
    }

    async close() {
        this.browser.listeners.delete(this.listener);
        await this.browser.send("Target.closeTarget", { targetId: this.target });
    }
}

module.exports = { Browser, findBrowser };
