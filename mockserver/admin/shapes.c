/* Bodies and answers as tables: what is checked, and what the OpenAPI description says. */
#include "admin/admin_priv.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define MAX_INT ((INT64_C(1) << 53) - 1)     /* what every JSON reader holds exactly */

#define BODY(stem, title, words)                                                                              \
    const struct shape body_##stem = { title, words, stem##_members, COUNT(stem##_members), true }
#define ANSWER(stem, title, words)                                                                            \
    const struct shape shape_##stem = { title, words, stem##_fields, COUNT(stem##_fields), false }

#define TEXT(name, flags, what) { name, FIELD_TEXT, flags, 0, 0, NULL, NULL, what }
#define GLOB(name, flags, what) { name, FIELD_GLOB, flags, 0, 0, NULL, NULL, what }
#define WORD(name, flags, words, what) { name, FIELD_WORD, flags, 0, 0, words, NULL, what }
#define INT(name, flags, min, max, what) { name, FIELD_INT, flags, min, max, NULL, NULL, what }
#define COUNTER(name, what) INT(name, 0, 0, MAX_INT, what)
#define NUMBER(name, flags, min, max, what) { name, FIELD_NUMBER, flags, min, max, NULL, NULL, what }
#define BOOL(name, flags, what) { name, FIELD_BOOL, flags, 0, 0, NULL, NULL, what }
#define TIME(name, flags, what) { name, FIELD_TIME, flags, 0, 0, NULL, NULL, what }
#define OBJECT(name, flags, of, what) { name, FIELD_OBJECT, flags, 0, 0, NULL, of, what }
#define LIST(name, flags, of, what) { name, FIELD_LIST, flags, 0, 0, NULL, of, what }
#define OTHER(name, type, flags, what) { name, type, flags, 0, 0, NULL, NULL, what }

/* ---- words ------------------------------------------------------------------------------ */

#define WORDS(stem, title)                                                                                    \
    const struct words stem = { title, stem##_list, COUNT(stem##_list) }

static const struct word admin_sandbox_states_list[] = {
    { "active", SANDBOX_ACTIVE }, { "stopping", SANDBOX_STOPPING },
    { "closed", SANDBOX_CLOSED }, { "broken", SANDBOX_BROKEN },
};
WORDS(admin_sandbox_states, "state of a sandbox");

static const struct word admin_stop_reasons_list[] = {
    { "request", STOP_REQUEST }, { "expired", STOP_EXPIRED },
    { "keeper-died", STOP_KEEPER_DIED }, { "shutdown", STOP_SHUTDOWN },
    { "main-ended", STOP_MAIN_ENDED },
};
WORDS(admin_stop_reasons, "reason");

static const struct word admin_proc_states_list[] = {
    { "queued", PROC_QUEUED }, { "running", PROC_RUNNING },
    { "draining", PROC_DRAINING }, { "finished", PROC_FINISHED },
};
WORDS(admin_proc_states, "state of a process");

static const struct word admin_entry_types_list[] = { { "fact", 0 }, { "request", 1 } };
WORDS(admin_entry_types, "type of entry");

/* ---- bodies ----------------------------------------------------------------------------- */

#define TIMEOUT INT("timeout_ms", 0, 0, WAIT_MAX_MS, "how long to wait, of the machine's time (5000)")
#define WANTED INT("count", 0, 1, 1000000, "how many there must be (1)")

static const struct field clock_advance_members[] = {
    INT("ms", FIELD_REQUIRED, 0, INT64_C(366) * 24 * 3600 * 1000, "milliseconds to go on by"),
};
BODY(clock_advance, "ClockAdvance", "How far a clock is moved.");

static const struct field clock_run_members[] = {
    NUMBER("scale", 0, 0, 1000000, "API milliseconds in a real one (1)"),
};
BODY(clock_run, "ClockRun", "How fast a clock runs.");

static const struct field lane_members[] = {
    TEXT("name", FIELD_REQUIRED, "up to 64 of A-Z a-z 0-9 . _ -"),
};
BODY(lane, "LaneWanted", "A lane to be made.");

static const struct field barrier_open_members[] = {
    TEXT("name", FIELD_REQUIRED, "of the barrier"),
    BOOL("for_good", 0, "also let all pass who come later (false)"),
};
BODY(barrier_open, "BarrierOpen", "Which barrier opens.");

static const struct field barrier_wait_members[] = {
    TEXT("name", 0, "of the barrier; without it: until so many puppets sleep by the lane's clock"),
    WANTED,
    TIMEOUT,
};
BODY(barrier_wait, "BarrierWait", "How many are awaited in one lane.");

#define REQUEST_MEMBERS                                                                                       \
    WORD("op", 0, &vocab_ops, "what the request means"),                                                      \
    WORD("dialect", 0, &vocab_dialects, "whose API it uses"),                                                 \
    TEXT("method", 0, "\"POST\"; any case"),                                                                  \
    GLOB("path", 0, "the path, * and ? stand for others"),                                                    \
    GLOB("command", 0, "of the process it is about"),                                                         \
    TEXT("sandbox", 0, "its id"),                                                                             \
    TEXT("process", 0, "its id"),                                                                             \
    INT("status", 0, 100, 599, "of the answer"),                                                              \
    TEXT("fault", 0, "the kind of fault armed for it; \"*\": any"),                                           \
    OTHER("header", FIELD_GLOBS, 0, "request headers, name (any case) to value; all must hold"),              \
    TEXT("body", 0, "a text somewhere in the part of the request's body that is kept")

static const struct field request_pattern_members[] = { REQUEST_MEMBERS };
BODY(request_pattern, "RequestPattern", "Which requests; all that is given must hold.");

static const struct field request_wait_members[] = { REQUEST_MEMBERS, WANTED, TIMEOUT };
BODY(request_wait, "RequestWait", "Which requests are awaited; all that is given must hold.");

static const struct field process_wait_members[] = {
    TEXT("sandbox", 0, "its id"),
    TEXT("id", 0, "of the process"),
    GLOB("command", 0, "as the client worded it, * and ? stand for others"),
    WORD("state", 0, &admin_proc_states, "that it has come to, or passed"),
    WORD("fact", 0, &vocab_facts, "that is in its log"),
    WANTED,
    TIMEOUT,
};
BODY(process_wait, "ProcessWait", "Which processes are awaited; all that is given must hold.");

static const struct field fact_wait_members[] = {
    TEXT("sandbox", 0, "its id"),
    TEXT("process", 0, "its id"),
    GLOB("command", 0, "of the process, * and ? stand for others"),
    WORD("fact", FIELD_REQUIRED, &vocab_facts, "what happened; \"ended\" is exited, died or start-failed"),
    WANTED,
    TIMEOUT,
};
BODY(fact_wait, "FactWait", "Which facts are awaited; all that is given must hold.");

/* ---- answers ---------------------------------------------------------------------------- */

static const struct field error_fields[] = {
    TEXT("message", 0, "what is wrong, and where"),
    TEXT("error", 0, "the same, for readers of that name"),
    TEXT("code", 0, "for programs"),
    INT("line", FIELD_SPARE, 1, MAX_INT, "of a refused scenario"),
    INT("column", FIELD_SPARE, 1, MAX_INT, "of a refused scenario"),
    TEXT("pointer", FIELD_SPARE | FIELD_NULL, "JSON pointer into a refused scenario; null: it is no JSON"),
    INT("waited_ms", FIELD_SPARE, 0, MAX_INT, "408: how long"),
    INT("wanted", FIELD_SPARE, 0, MAX_INT, "408: how many"),
    INT("matched", FIELD_SPARE, 0, MAX_INT, "408: how many there were"),
    OTHER("seen", FIELD_ENTRIES, FIELD_SPARE, "408: the newest that there were, in short, if they fit or not"),
    LIST("processes", FIELD_SPARE, &shape_process, "408: those there are (1000 at most)"),
};
ANSWER(error, "Error", "A refusal.");

static const struct field status_fields[] = { TEXT("status", 0, "what was done") };
ANSWER(status, "Status", "It is done.");

static const struct field health_fields[] = {
    TEXT("status", 0, "\"healthy\""),
    TEXT("version", 0, "of this program"),
    COUNTER("uptimeInSeconds", "since the start"),
    TIME("timestamp", 0, "the API's time"),
};
ANSWER(health, "Health", "It runs.");

static const struct field version_fields[] = {
    TEXT("version", 0, "of this program"),
    TEXT("commit", FIELD_NULL, "it was built from"),
};
ANSWER(version, "Version", "Which build this is.");

static const struct field route_fields[] = {
    TEXT("method", 0, "of HTTP"),
    TEXT("path", 0, "with :names for what varies"),
    TEXT("description", 0, "in one line"),
};
ANSWER(route, "Route", "One thing that can be asked.");
static const struct field routes_fields[] = { LIST("routes", 0, &shape_route, "all there are") };
ANSWER(routes, "Routes", "What can be asked.");

/* -- processes -- */

static const struct field alive_fields[] = {
    COUNTER("pid", "as the sandbox sees it"),
    COUNTER("hostPid", "as the machine sees it"),
    COUNTER("hostParentPid", "as the machine sees it"),
    TEXT("state", 0, "the kernel's letter: R S D Z T"),
    TEXT("comm", 0, "the kernel's name of it"),
    BOOL("isKeeper", 0, "ours, not the client's"),
};
ANSWER(alive, "Alive", "A process as the kernel shows it now.");

static const struct field fact_fields[] = {
    COUNTER("seq", "1, 2, 3 ... in the process"),
    TEXT("kind", 0, "what happened"),
    TIME("at", FIELD_NULL, "by the API's clock"),
    INT("pid", FIELD_SPARE, 0, MAX_INT, "started"),
    INT("outputNumber", FIELD_SPARE, 0, MAX_INT, "output: which piece"),
    INT("offset", FIELD_SPARE, 0, MAX_INT, "output: its first byte's place"),
    INT("bytes", FIELD_SPARE, 0, MAX_INT, "how many"),
    TEXT("signal", FIELD_SPARE, "signalled, died: its name"),
    INT("signalNumber", FIELD_SPARE, 0, 64, "signalled, died"),
    TEXT("by", FIELD_SPARE, "signalled: who sent it"),
    INT("limitMs", FIELD_SPARE, 0, MAX_INT, "timed-out"),
    INT("code", FIELD_SPARE, 0, 255, "exited"),
    BOOL("dumpedCore", FIELD_SPARE, "died"),
    TEXT("stage", FIELD_SPARE, "start-failed: what failed"),
    INT("errno", FIELD_SPARE, 0, MAX_INT, "start-failed"),
    TEXT("error", FIELD_SPARE | FIELD_NULL, "start-failed, in words"),
    BOOL("heldBySurvivor", FIELD_SPARE, "output-eof: somebody still has the pipe"),
};
ANSWER(fact, "Fact", "What happened to a process, one entry of its log.");

static const struct field signal_fields[] = {
    TEXT("signal", 0, "its name"),
    INT("signalNumber", 0, 0, 64, "its number"),
    TEXT("by", 0, "who sent it"),
    TIME("at", 0, "by the API's clock"),
};
ANSWER(signal, "SignalSeen", "A signal that we sent.");

static const struct field process_fields[] = {
    TEXT("id", 0, "of the process"),
    TEXT("command", 0, "as the client worded it"),
    TEXT("cwd", 0, "where it began"),
    WORD("state", 0, &admin_proc_states, "where it is in its life"),
    INT("pid", FIELD_NULL, 0, MAX_INT, "as the sandbox sees it; null: never started"),
    INT("hostPid", FIELD_NULL, 0, MAX_INT, "as the machine sees it; null: not alive"),
    LIST("children", 0, &shape_alive, "its descendants that live, while it does"),
    TIME("queuedAt", FIELD_NULL, ""),
    TIME("startedAt", FIELD_NULL, ""),
    TIME("endedAt", FIELD_NULL, ""),
    OBJECT("end", FIELD_NULL, &shape_fact, "how it ended"),
    INT("waitStatus", FIELD_NULL, 0, MAX_INT, "as wait(2) gives it; null: none yet, or never started"),
    BOOL("timedOut", 0, "its time limit passed before the end"),
    BOOL("signalledByClient", 0, "before the end"),
    BOOL("killedByRequest", 0, "before the end"),
    LIST("signals", 0, &shape_signal, "that we sent it, oldest first (100 at most)"),
    BOOL("outputHeld", 0, "a survivor still has its pipe"),
    BOOL("stdinOpen", 0, "it can be written to"),
    COUNTER("facts", "how many its log has"),
    COUNTER("stdoutBytes", "so far"),
    COUNTER("stderrBytes", "so far"),
    COUNTER("keptFromOffset", "the oldest output that can still be read"),
};
ANSWER(process, "Process", "A process: its log and the kernel's view.");

static const struct field sandbox_fields[] = {
    TEXT("id", 0, "of the sandbox"),
    TEXT("lane", FIELD_NULL, "whose it is"),
    WORD("state", 0, &admin_sandbox_states, ""),
    WORD("stopReason", FIELD_NULL, &admin_stop_reasons, "why it stopped"),
    TIME("createdAt", FIELD_NULL, ""),
    TIME("endedAt", FIELD_NULL, ""),
    LIST("alive", 0, &shape_alive, "what the kernel says"),
    LIST("processes", 0, &shape_process, "what the logs say, newest first"),
};
ANSWER(sandbox, "Sandbox", "A sandbox and all that is in it.");

static const struct field processes_fields[] = {
    TEXT("isolation", 0, "\"namespace\" or \"none\""),
    LIST("sandboxes", 0, &shape_sandbox, "oldest first"),
};
ANSWER(processes, "Processes", "What runs.");

static const struct field facts_fields[] = {
    TEXT("id", 0, "of the process"),
    TEXT("sandboxId", 0, ""),
    WORD("state", 0, &admin_proc_states, ""),
    COUNTER("total", "how many facts there are"),
    LIST("facts", 0, &shape_fact, "this page"),
    INT("next", FIELD_NULL, 1, MAX_INT, "\"from\" of the next page; null: this was the last"),
};
ANSWER(facts, "Facts", "What happened to one process.");

/* -- waits -- */

#define WAITED COUNTER("waited_ms", "how long it took"), COUNTER("matched", "how many there are")

static const struct field waited_fields[] = {
    WAITED,
    OTHER("requests", FIELD_ENTRIES, 0, "the newest of them, newest first (1000 at most)"),
};
ANSWER(waited, "RequestsWaited", "The requests have come.");

static const struct field processes_waited_fields[] = {
    WAITED,
    LIST("processes", 0, &shape_process, "those that hold (1000 at most)"),
};
ANSWER(processes_waited, "ProcessesWaited", "The processes are so far.");

static const struct field facts_waited_fields[] = {
    WAITED,
    OTHER("facts", FIELD_ENTRIES, 0, "the newest of them, newest first (1000 at most)"),
};
ANSWER(facts_waited, "FactsWaited", "It has happened.");

/* -- clocks, lanes, barriers -- */

static const struct field clock_fields[] = {
    TEXT("lane", 0, "whose clock"),
    BOOL("frozen", 0, "it stands still"),
    NUMBER("scale", 0, 0, 1000000, "while it runs: API milliseconds in a real one"),
    COUNTER("now_ms", "API milliseconds since the lane was made"),
    TIME("time", 0, "as the API shows it"),
};
ANSWER(clock, "Clock", "A lane's time.");
static const struct field clocks_fields[] = { LIST("clocks", 0, &shape_clock, "of the lanes that were meant") };
ANSWER(clocks, "Clocks", "The lanes' time.");

static const struct field lane_fields[] = {
    TEXT("name", 0, ""),
    TEXT("key", FIELD_NULL, "an API key that leads here, for any client to send; null: its name is no key"),
    TEXT("url", 0, "a base URL that leads here, whatever the key"),
    TIME("created_at", 0, ""),
    COUNTER("sandboxes", "that there are, closed ones too"),
    COUNTER("active_sandboxes", ""),
    COUNTER("scenarios", "at work"),
    COUNTER("unfired", "rules that have fired less than planned"),
    COUNTER("entries", "in its ledger"),
    OBJECT("clock", 0, &shape_clock, ""),
};
ANSWER(lane, "Lane", "An isolated world: sandboxes, scenarios, clock, ledger.");
static const struct field lanes_fields[] = { LIST("lanes", 0, &shape_lane, "oldest first") };
ANSWER(lanes, "Lanes", "The lanes there are.");

static const struct field barrier_fields[] = {
    TEXT("lane", 0, ""),
    TEXT("name", 0, ""),
    COUNTER("waiting", "who stand at it"),
    BOOL("open", 0, "for good"),
};
ANSWER(barrier, "Barrier", "Where puppets wait for a word of ours.");
static const struct field barriers_fields[] = { LIST("barriers", 0, &shape_barrier, "") };
ANSWER(barriers, "Barriers", "Barriers that somebody stands at, or that are open for good.");
static const struct field barrier_opened_fields[] = { COUNTER("released", "how many went on") };
ANSWER(barrier_opened, "BarrierOpened", "The barrier was opened.");
static const struct field barrier_waited_fields[] = {
    COUNTER("waited_ms", "how long it took"),
    TEXT("lane", 0, "where they stand"),
};
ANSWER(barrier_waited, "BarrierWaited", "They are there.");

/* -- scenarios -- */

#define COUNTS                                                                                                \
    COUNTER("planned", "how often it should fire at least"),                                                  \
    COUNTER("matched", "requests it took"),                                                                   \
    COUNTER("fired", "how often it did what it says"),                                                        \
    COUNTER("missed", "the request was over before it could"),                                                \
    COUNTER("pending", "requests that it waits in"),                                                          \
    COUNTER("left", "planned and not fired")

static const struct field rule_fields[] = {
    TEXT("id", 0, "\"SCENARIO/processes/0\""),
    COUNTER("line", "in the file"),
    TEXT("does", 0, "puppet, command, fail, or the kind of fault"),
    COUNTS,
};
ANSWER(rule, "Rule", "A rule of a scenario and what became of it.");

static const struct field scenario_state_fields[] = {
    TEXT("lane", 0, "where it is at work"),
    TEXT("name", 0, ""),
    TEXT("file", 0, "where it was read"),
    TEXT("why", FIELD_NULL, ""),
    OTHER("source", FIELD_TEXTS, 0, "what it imitates"),
    TEXT("seed", 0, "of its dice, in decimal"),
    LIST("processes", 0, &shape_rule, "in the file's order"),
    LIST("faults", 0, &shape_rule, "in the file's order"),
    COUNTER("unfired", "rules that have fired less than planned"),
};
ANSWER(scenario_state, "ScenarioState", "A scenario at work in a lane.");
static const struct field scenarios_fields[] = { LIST("scenarios", 0, &shape_scenario_state, "as they are asked") };
ANSWER(scenarios, "Scenarios", "The scenarios at work.");
static const struct field scenario_added_fields[] = {
    TEXT("name", 0, ""),
    TEXT("lane", FIELD_NULL, "where; null: everywhere, also in lanes to come"),
    COUNTER("processes", "rules for processes"),
    COUNTER("faults", "rules for faults"),
};
const struct shape shape_scenario = { "ScenarioAdded", "It is at work.", scenario_added_fields,
                                      COUNT(scenario_added_fields), false };

static const struct field fault_fields[] = {
    TEXT("lane", FIELD_NULL, "null: the sum of several"),
    TEXT("id", 0, "\"SCENARIO/faults/0\""),
    TEXT("scenario", 0, ""),
    COUNTER("index", "in its list, from 0"),
    COUNTER("line", "in the file"),
    TEXT("kind", 0, "what it does"),
    COUNTS,
};
ANSWER(fault, "Fault", "A fault of a scenario and what became of it.");
static const struct field faults_fields[] = {
    LIST("faults", 0, &shape_fault, "in the order in which they are asked"),
    COUNTER("unfired", "how many have fired less than planned"),
};
ANSWER(faults, "Faults", "The faults of all scenarios.");

static const struct field near_fields[] = {
    TEXT("lane", 0, ""),
    TEXT("id", 0, "of the rule"),
    TEXT("key", FIELD_NULL, "the first condition that failed; null: there was no request to compare with"),
    TEXT("expected", FIELD_NULL, ""),
    TEXT("seen", FIELD_NULL, ""),
    TEXT("request", FIELD_NULL, "the one that came closest"),
    TEXT("explanation", 0, "all of it in a line"),
};
ANSWER(near, "NearMiss", "Why a rule never matched.");
static const struct field near_misses_fields[] = { LIST("near_misses", 0, &shape_near, "") };
ANSWER(near_misses, "NearMisses", "Rules that never matched, and the request that came closest.");

/* -- requests, ledger, verdict -- */

static const struct field meta_fields[] = { COUNTER("total", "how many there are, shown or not") };
ANSWER(meta, "Meta", "About a list.");
static const struct field requests_fields[] = {
    OTHER("requests", FIELD_ENTRIES, 0, "newest first"),
    OBJECT("meta", 0, &shape_meta, ""),
};
ANSWER(requests, "Requests", "What was asked and answered on the wire.");
static const struct field request_fields[] = { OTHER("request", FIELD_ENTRY, 0, "") };
ANSWER(request, "Request", "One request and its answer.");
static const struct field count_fields[] = { COUNTER("count", "") };
ANSWER(count, "Count", "How many.");

static const struct field ledger_lane_fields[] = {
    TEXT("lane", 0, ""),
    COUNTER("next_number", "that the next entry gets"),
    COUNTER("entries", "kept"),
    COUNTER("bytes", "kept"),
    COUNTER("dropped", "entries that had to go for want of room"),
    COUNTER("open_requests", "not answered to the end yet"),
};
ANSWER(ledger_lane, "LedgerStats", "How full a ledger is.");
static const struct field ledger_stats_fields[] = {
    TEXT("file", FIELD_NULL, "where all is written as well"),
    LIST("ledgers", 0, &shape_ledger_lane, "of the lanes that were meant"),
};
ANSWER(ledger_stats, "Ledgers", "How full the ledgers are.");

static const struct field check_fields[] = {
    TEXT("id", 0, ""),
    TEXT("verdict", 0, "pass, warn, fail or not-exercised"),
    TEXT("what", 0, "in words"),
    OTHER("evidence", FIELD_INTS, 0, "numbers of entries of the lane's ledger (100 at most)"),
};
ANSWER(check, "Check", "One thing that was looked at.");
static const struct field verdict_lane_fields[] = {
    TEXT("lane", 0, ""),
    TEXT("verdict", 0, "the worst of its checks"),
    COUNTER("requests", "in the journal"),
    LIST("checks", 0, &shape_check, ""),
};
ANSWER(verdict_lane, "LaneVerdict", "What one journal says.");
static const struct field verdict_fields[] = {
    TEXT("verdict", 0, "fail, warn, pass, or not-exercised: no lane had a request"),
    COUNTER("level", "0: what the journal alone tells, without knowing what the client wanted"),
    LIST("lanes", 0, &shape_verdict_lane, ""),
};
ANSWER(verdict, "Verdict", "What the journal says about the client.");
