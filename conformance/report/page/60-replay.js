/*
 * The requests of a case as shell commands with curl, to be pasted into bash.  What the server hands out (ids, tokens)
 * is taken from each answer again, since a second run gets others; secrets are not in the ledger and come from
 * variables.
 */

/* Names that are the connection's or curl's own business. */
const NOT_REPLAYED = new Set([
    "host",
    "content-length",
    "connection",
    "accept-encoding",
    "transfer-encoding",
    "user-agent",
    "keep-alive",
    "te",
    "expect",
    "upgrade",
    "proxy-connection",
]);
const REDACTED = "[redacted]";

/* ---- quoting ---------------------------------------------------------------------------------- */

/* One word for bash.  Control characters are written as escapes: pasted as they are, a terminal would obey them. */
function quote(text) {
    if (text === "") return "''";
    if (/^[A-Za-z0-9_./:=@%+,-]+$/.test(text)) return text;
    HIDDEN.lastIndex = 0;
    if (!HIDDEN.test(text) && !/[\n\t]/.test(text)) return "'" + text.replaceAll("'", "'\\''") + "'";
    return (
        "$'" +
        Array.from(text, (c) => {
            const code = c.codePointAt(0);
            if (c === "\\" || c === "'") return "\\" + c;
            if (c === "\n") return "\\n";
            if (c === "\t") return "\\t";
            HIDDEN.lastIndex = 0;
            if (!HIDDEN.test(c)) return c;
            return code < 0x80
                ? "\\x" + code.toString(16).padStart(2, "0")
                : "\\u" + code.toString(16).padStart(4, "0");
        }).join("") +
        "'"
    );
}

/* A word in which known ids are variables again. */
function quoteWith(text, names) {
    let parts = [text];
    for (const [id, name] of names) {
        parts = parts.flatMap((piece) =>
            typeof piece !== "string" ? [piece] : piece.split(id).flatMap((rest, i) => (i ? [{ name }, rest] : [rest])),
        );
    }
    const words = parts
        .filter((piece) => piece !== "")
        .map((piece) => (typeof piece === "string" ? quote(piece) : '"$' + piece.name + '"'));
    return words.join("") || "''";
}

/* ---- what an answer gives ------------------------------------------------------------------------ */

/* "proc_6b3e35398eb2" as a pattern for grep -E: runs of hex digits may be others the next time. */
function idPattern(id) {
    return id
        .split(/([_-])/)
        .map((piece) =>
            /^[0-9a-f]{4,}$/.test(piece) ? `[0-9a-f]{${piece.length}}` : piece.replace(/[^A-Za-z0-9_-]/g, "\\$&"),
        )
        .join("");
}

function answerText(line) {
    const body = line.answer && line.answer.body;
    return body && body.encoding !== "base64" && typeof body.data === "string" ? body.data : "";
}

/* Which match of the id's pattern in this answer is the id itself: 1, 2...; 0: none. */
function idPlace(text, id) {
    return [...text.matchAll(new RegExp(idPattern(id), "g"))].findIndex((match) => match[0] === id) + 1;
}

function isId(id) {
    return typeof id === "string" && id.length >= 6 && id.length <= 200 && idPattern(id) !== id;
}

function captures(line, file, names, later) {
    const text = answerText(line);
    const found = [];
    for (const [kind, id] of [
        ["SANDBOX", line.sandbox],
        ["PROCESS", line.process],
    ]) {
        const place = isId(id) && !names.has(id) && later.has(id) ? idPlace(text, id) : 0;
        if (!place) continue;
        const name = kind + "_" + ([...names.values()].filter((other) => other.startsWith(kind)).length + 1);
        names.set(id, name);
        found.push(`${name}=$(grep -oE ${quote(idPattern(id))} ${file} | sed -n ${place}p)`);
    }
    const token = /"([A-Za-z_]*[Tt]oken)"\s*:\s*"\[redacted\]"/.exec(text);
    if (token) {
        names.token = "STANDBOX_BOX_TOKEN";
        found.push(
            `STANDBOX_BOX_TOKEN=$(grep -oE ${quote(`"${token[1]}" *: *"[^"]*"`)} ${file} | head -n1 | cut -d'"' -f4)`,
        );
    }
    return found;
}

/* ---- one request ----------------------------------------------------------------------------------- */

/* "Bearer [redacted]" with a variable in the place of the secret. */
function headerWord(header, names) {
    const secret = header.name.toLowerCase() === "authorization" && names.token ? names.token : "STANDBOX_TOKEN";
    if (header.value === "") return quote(header.name + ";");
    const parts = (header.name + ": " + header.value).split(REDACTED);
    return parts.map((piece) => (piece ? quoteWith(piece, names) : "")).join('"$' + secret + '"');
}

function isCut(bytes) {
    return bytes.cut === true || /\.\.\. \[\d+ bytes\]$/.test(bytes.data);
}

function bodyWords(line, names) {
    const body = line.body;
    if (!body || typeof body.data !== "string" || !(body.bytes > 0)) return { before: "", options: [] };
    if (body.encoding === "base64")
        return { before: `printf %s ${quote(body.data)} | base64 -d | `, options: ["--data-binary @-"] };
    if (body.data.includes("\0")) {
        const bytes = Array.from(new TextEncoder().encode(body.data), (byte) => String.fromCharCode(byte)).join("");
        return { before: `printf %s ${quote(btoa(bytes))} | base64 -d | `, options: ["--data-binary @-"] };
    }
    return { before: "", options: ["--data-raw " + quoteWith(body.data, names)] };
}

function curlCommand(line, names) {
    const method = String(line.method || "GET");
    const target = String(line.path || "/") + (line.query ? "?" + line.query : "");
    const body = bodyWords(line, names);
    const headers = objects(line.headers).filter(
        (header) =>
            typeof header.name === "string" &&
            typeof header.value === "string" &&
            /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(header.name) &&
            !NOT_REPLAYED.has(header.name.toLowerCase()),
    );
    const options = [...headers.map((header) => "-H " + headerWord(header, names)), ...body.options];
    if (body.options.length && !headers.some((header) => header.name.toLowerCase() === "content-type"))
        options.push("-H 'Content-Type;'");
    const verb =
        method === "HEAD" ? "-I" : method === (body.options.length ? "POST" : "GET") ? "" : "-X " + quote(method);
    return (
        body.before +
        ["curl -sSgN --path-as-is", verb, `"$STANDBOX_URL"${quoteWith(target, names)}`].filter(Boolean).join(" ") +
        options.map((option) => " \\\n  " + option).join("")
    );
}

/* All ids that requests after this one name. */
function namedLater(requests, from) {
    const text = requests
        .slice(from + 1)
        .map((line) => [line.path, line.query, line.body && line.body.data].join("\n"))
        .join("\n");
    return { has: (id) => text.includes(id) };
}

/* The script, or "" when there was no request.  Calls of gRPC are no words for curl. */
function replayScript(lines) {
    const requests = lines
        .filter((line) => line.type === "request" && !line.grpc)
        .sort((a, b) => a.number - b.number);
    const names = new Map();
    if (!requests.length) return "";
    const steps = requests.map((line, i) => {
        const file = `answer-${i + 1}.txt`;
        const command = curlCommand(line, names);
        const taken = captures(line, file, names, namedLater(requests, i));
        return [
            `# ${i + 1}. ${oneLine(requestWords(line))}` +
                (line.fault ? ` (here a fault struck: ${oneLine(faultWords(line))})` : ""),
            line.body && isCut(line.body)
                ? `# its body had ${byteCount(line.body)} bytes; this is only the beginning`
                : null,
            taken.length ? command + ` \\\n  | tee ${file}` : command,
            "echo",
            ...taken,
        ]
            .filter((part) => part !== null)
            .join("\n");
    });
    return (
        [
            ': "${STANDBOX_URL:=http://127.0.0.1:8700}" "${STANDBOX_TOKEN:=any}"   # the server, and the API key',
            ...steps,
        ].join("\n\n") + "\n"
    );
}
