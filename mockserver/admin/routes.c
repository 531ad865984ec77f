/* The table of all that can be asked.  The list, the OpenAPI description and the docs page are made of it. */
#include <string.h>

#include "admin/admin_priv.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define MAX_INT ((INT64_C(1) << 53) - 1)

#define QUERY(name, type, min, max, words, what) { name, type, 0, min, max, words, NULL, what }
#define QUERY_TEXT(name, what) QUERY(name, FIELD_TEXT, 0, 0, NULL, what)
#define QUERY_INT(name, max, what) QUERY(name, FIELD_INT, 1, max, NULL, what)

const struct field admin_params[PARAMS] = {
    [PARAM_LANE] = QUERY_TEXT("lane", "a lane's name or an API key that leads to it; without it all lanes are meant"),
    [PARAM_SANDBOX] = QUERY_TEXT("sandbox", "only this one, by its id"),
    [PARAM_FROM] = QUERY_INT("from", MAX_INT, "number of the first fact (1)"),
    [PARAM_FACT_LIMIT] = QUERY_INT("limit", 10000, "how many at most (1000)"),
    [PARAM_LIMIT] = QUERY_INT("limit", 10000, "how many at most (100)"),
    [PARAM_SINCE] = QUERY_TEXT("since", "only entries behind this number, or since this UTC time "
                                        "(2026-11-21T06:39:23Z)"),
    [PARAM_ENTRY_FROM] = QUERY_INT("from", MAX_INT, "number of the first entry (1)"),
    [PARAM_TYPE] = QUERY("type", FIELD_WORD, 0, 0, &admin_entry_types, "only entries of this type"),
    [PARAM_REPLACE] = QUERY("replace", FIELD_BOOL, 0, 0, NULL,
                            "take all other scenarios away at the same moment (false)"),
    [PARAM_FILE] = QUERY_TEXT("file", "what complaints call the text (BODY)"),
};

const char *admin_path_param(const char *name)
{
    static const struct { const char *name, *what; } rows[] = {
        { "id", "an id" },
        { "name", "a name" },
        { "scenario", "a scenario's name" },
        { "index", "a rule's place in the scenario's list of faults, from 0" },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (strcmp(rows[i].name, name) == 0)
            return rows[i].what;
    }
    return NULL;
}

int admin_error_status(unsigned i, const char **out_what)
{
    static const struct { int status; const char *what; } rows[ERROR_BITS] = {
        { 404, "No such thing." },
        { 408, "The time was up; what was seen is in the answer." },
        { 409, "Not possible as things are." },
        { 413, "The body is too large." },
        { 422, "The scenario was refused; the message says line, column and JSON pointer. Nothing was changed." },
    };
    *out_what = rows[i].what;
    return rows[i].status;
}

#define P ADMIN_PREFIX
#define LANE TAKES(PARAM_LANE)
#define LANE_ERRORS ERROR_404
#define BODY_ERRORS ERROR_413
#define HTML "text/html; charset=utf-8"
#define LINES "application/x-ndjson"
#define GET(path) { "GET", P path, NULL }
#define POST(path) { "POST", P path, NULL }
#define DELETE(path) { "DELETE", P path, NULL }

const struct admin_route admin_routes[] = {
    /* -- the server -- */
    { .route = GET(""), .fn = admin_get_routes, .id = "listRoutes", .group = "Server",
      .what = "this list", .gives = &shape_routes },
    { .route = GET("/"), .fn = admin_get_routes },
    { .route = GET("/health"), .fn = admin_get_health, .id = "getHealth", .group = "Server",
      .what = "is the server up, and since when", .gives = &shape_health },
    { .route = GET("/version"), .fn = admin_get_version, .id = "getVersion", .group = "Server",
      .what = "which build this is", .gives = &shape_version },
    { .route = GET("/docs"), .fn = admin_get_docs, .id = "getDocs", .group = "Server",
      .what = "this API as a page for people", .type = HTML },
    { .route = GET("/docs/openapi.json"), .fn = admin_get_openapi, .id = "getOpenApi", .group = "Server",
      .what = "this API as an OpenAPI 3.1 description", .type = ADMIN_JSON },
    { .route = POST("/reset"), .fn = admin_reset, .id = "reset", .group = "Server",
      .what = "stop and forget every sandbox; answers when that is done",
      .more = "All lanes but \"default\" go, and what was given to all lanes goes back to what the command line says. "
              "With a lane only that one is emptied.",
      .params = LANE, .lanes = LANE_MADE, .gives = &shape_status, .errors = ERROR_409 },
    { .route = POST("/shutdown"), .fn = admin_shutdown, .id = "shutdown", .group = "Server",
      .what = "stop the server", .gives = &shape_status },

    /* -- processes -- */
    { .route = GET("/processes"), .fn = admin_list_processes, .id = "listProcesses", .group = "Processes",
      .what = "what runs: per sandbox the kernel's view and the logs'",
      .params = LANE | TAKES(PARAM_SANDBOX), .gives = &shape_processes, .errors = LANE_ERRORS },
    { .route = POST("/processes/wait"), .fn = admin_wait_processes, .id = "waitForProcesses", .group = "Processes",
      .what = "wait until so many processes have come to a state or have a fact in their log",
      .params = LANE, .lanes = LANE_MADE, .body = BODY_SHAPE, .takes = &body_process_wait,
      .gives = &shape_processes_waited, .errors = BODY_ERRORS | ERROR_408 },
    { .route = GET("/processes/:id/facts"), .fn = admin_list_facts, .id = "listFacts", .group = "Processes",
      .what = "what happened to one process", .params = TAKES(PARAM_FROM) | TAKES(PARAM_FACT_LIMIT),
      .gives = &shape_facts, .errors = ERROR_404 },
    { .route = POST("/facts/wait"), .fn = admin_wait_facts, .id = "waitForFacts", .group = "Processes",
      .what = "wait until something has happened so often",
      .params = LANE, .lanes = LANE_MADE, .body = BODY_SHAPE, .takes = &body_fact_wait,
      .gives = &shape_facts_waited, .errors = BODY_ERRORS | ERROR_408 },

    /* -- scenarios -- */
    { .route = GET("/scenarios"), .fn = admin_list_scenarios, .id = "listScenarios", .group = "Scenarios",
      .what = "the scenarios at work, and how often each rule has fired",
      .params = LANE, .gives = &shape_scenarios, .errors = LANE_ERRORS },
    { .route = POST("/scenarios"), .fn = admin_add_scenario, .id = "addScenario", .group = "Scenarios",
      .what = "add a scenario, or put it in the place of the one of the same name",
      .more = "The body is one scenario file; comments are allowed. Without a lane it is for all lanes, also those to "
              "come. What is refused has changed nothing.",
      .params = LANE | TAKES(PARAM_REPLACE) | TAKES(PARAM_FILE), .lanes = LANE_MADE, .body = BODY_SCENARIO,
      .status = 201, .gives = &shape_scenario, .errors = BODY_ERRORS | ERROR_422 },
    { .route = DELETE("/scenarios"), .fn = admin_delete_scenarios, .id = "deleteScenarios", .group = "Scenarios",
      .what = "take all scenarios away", .params = LANE, .gives = &shape_status, .errors = LANE_ERRORS },
    { .route = POST("/scenarios/reset"), .fn = admin_reset_scenarios, .id = "resetScenarios", .group = "Scenarios",
      .what = "begin all counts anew", .params = LANE, .lanes = LANE_MADE, .gives = &shape_status },
    { .route = GET("/scenarios/:name"), .fn = admin_get_scenario, .id = "getScenario", .group = "Scenarios",
      .what = "one scenario, in each lane where it is at work", .params = LANE, .gives = &shape_scenarios,
      .errors = LANE_ERRORS },
    { .route = DELETE("/scenarios/:name"), .fn = admin_delete_scenario, .id = "deleteScenario", .group = "Scenarios",
      .what = "take one scenario away", .params = LANE, .gives = &shape_status, .errors = LANE_ERRORS },
    { .route = GET("/mappings"), .fn = admin_list_scenarios, .id = "listMappings", .group = "Scenarios",
      .what = "another name of GET /scenarios", .params = LANE, .gives = &shape_scenarios, .errors = LANE_ERRORS },
    { .route = POST("/mappings"), .fn = admin_add_scenario, .id = "addMapping", .group = "Scenarios",
      .what = "another name of POST /scenarios",
      .params = LANE | TAKES(PARAM_REPLACE) | TAKES(PARAM_FILE), .lanes = LANE_MADE, .body = BODY_SCENARIO,
      .status = 201, .gives = &shape_scenario, .errors = BODY_ERRORS | ERROR_422 },
    { .route = DELETE("/mappings"), .fn = admin_delete_scenarios, .id = "deleteMappings", .group = "Scenarios",
      .what = "another name of DELETE /scenarios", .params = LANE, .gives = &shape_status, .errors = LANE_ERRORS },
    { .route = POST("/mappings/reset"), .fn = admin_reset_scenarios, .id = "resetMappings", .group = "Scenarios",
      .what = "another name of POST /scenarios/reset", .params = LANE, .lanes = LANE_MADE, .gives = &shape_status },
    { .route = GET("/faults"), .fn = admin_list_faults, .id = "listFaults", .group = "Scenarios",
      .what = "the faults of all scenarios: planned, fired, left", .params = LANE, .gives = &shape_faults,
      .errors = LANE_ERRORS },
    { .route = GET("/faults/:scenario/:index"), .fn = admin_get_fault, .id = "getFault", .group = "Scenarios",
      .what = "one fault; of several lanes the sum", .params = LANE, .gives = &shape_fault, .errors = LANE_ERRORS },
    { .route = GET("/faults/:scenario/faults/:index"), .fn = admin_get_fault, .id = "getFaultById",
      .group = "Scenarios", .what = "the same, by its id", .params = LANE, .gives = &shape_fault,
      .errors = LANE_ERRORS },
    { .route = GET("/near-misses"), .fn = admin_list_near_misses, .id = "listNearMisses", .group = "Scenarios",
      .what = "rules that never matched, and why not", .params = LANE, .gives = &shape_near_misses,
      .errors = LANE_ERRORS },

    /* -- requests -- */
    { .route = GET("/requests"), .fn = admin_list_requests, .id = "listRequests", .group = "Requests",
      .what = "the journal, newest first", .params = LANE | TAKES(PARAM_LIMIT) | TAKES(PARAM_SINCE),
      .gives = &shape_requests, .errors = LANE_ERRORS },
    { .route = DELETE("/requests"), .fn = admin_clear_ledger, .id = "deleteRequests", .group = "Requests",
      .what = "empty the journal; it is one ledger with the facts, which go too", .params = LANE,
      .gives = &shape_status, .errors = LANE_ERRORS },
    { .route = POST("/requests/find"), .fn = admin_find_requests, .id = "findRequests", .group = "Requests",
      .what = "the requests that fit, newest first", .params = LANE | TAKES(PARAM_LIMIT), .body = BODY_SHAPE,
      .takes = &body_request_pattern, .gives = &shape_requests, .errors = LANE_ERRORS | ERROR_413 },
    { .route = POST("/requests/count"), .fn = admin_count_requests, .id = "countRequests", .group = "Requests",
      .what = "how many requests fit", .params = LANE, .body = BODY_SHAPE, .takes = &body_request_pattern,
      .gives = &shape_count, .errors = LANE_ERRORS | ERROR_413 },
    { .route = POST("/requests/wait"), .fn = admin_wait_requests, .id = "waitForRequests", .group = "Requests",
      .what = "wait until so many requests that fit have come", .params = LANE, .lanes = LANE_MADE,
      .body = BODY_SHAPE, .takes = &body_request_wait, .gives = &shape_waited, .errors = BODY_ERRORS | ERROR_408 },
    { .route = GET("/requests/unmatched"), .fn = admin_list_unmatched, .id = "listUnmatched", .group = "Requests",
      .what = "requests that no API here knows", .params = LANE | TAKES(PARAM_LIMIT) | TAKES(PARAM_SINCE),
      .gives = &shape_requests, .errors = LANE_ERRORS },
    { .route = GET("/requests/unmatched/near-misses"), .fn = admin_list_near_misses, .id = "listUnmatchedNearMisses",
      .group = "Requests", .what = "another name of GET /near-misses", .params = LANE, .gives = &shape_near_misses,
      .errors = LANE_ERRORS },
    { .route = GET("/requests/:id"), .fn = admin_get_request, .id = "getRequest", .group = "Requests",
      .what = "one request, by its x-request-id or its number in the lane", .params = LANE,
      .gives = &shape_request, .errors = LANE_ERRORS | ERROR_409 },
    { .route = GET("/ledger"), .fn = admin_export_ledger, .id = "exportLedger", .group = "Requests",
      .what = "all entries, lane by lane, oldest first, as JSON lines",
      .params = LANE | TAKES(PARAM_ENTRY_FROM) | TAKES(PARAM_TYPE), .type = LINES, .errors = LANE_ERRORS },
    { .route = DELETE("/ledger"), .fn = admin_clear_ledger, .id = "deleteLedger", .group = "Requests",
      .what = "empty the ledger", .params = LANE, .gives = &shape_status, .errors = LANE_ERRORS },
    { .route = GET("/ledger/stats"), .fn = admin_get_ledger_stats, .id = "getLedgerStats", .group = "Requests",
      .what = "how full it is, and what had to be dropped", .params = LANE, .gives = &shape_ledger_stats,
      .errors = LANE_ERRORS },
    { .route = GET("/verdict"), .fn = admin_get_verdict, .id = "getVerdict", .group = "Requests",
      .what = "what the journal says about the client", .params = LANE, .gives = &shape_verdict,
      .errors = LANE_ERRORS },

    /* -- lanes, clocks, barriers -- */
    { .route = GET("/lanes"), .fn = admin_list_lanes, .id = "listLanes", .group = "Lanes",
      .what = "the lanes there are", .params = LANE, .gives = &shape_lanes, .errors = LANE_ERRORS },
    { .route = POST("/lanes"), .fn = admin_make_lane, .id = "makeLane", .group = "Lanes",
      .what = "make a lane; the answer says how a client reaches it (200: it was there)", .body = BODY_SHAPE,
      .takes = &body_lane, .status = 201, .gives = &shape_lane, .errors = BODY_ERRORS | ERROR_409 },
    { .route = GET("/lanes/:name"), .fn = admin_get_lane, .id = "getLane", .group = "Lanes", .what = "one lane",
      .gives = &shape_lane, .errors = ERROR_404 },
    { .route = DELETE("/lanes/:name"), .fn = admin_delete_lane, .id = "deleteLane", .group = "Lanes",
      .what = "stop what runs in it and forget it; answers when that is done", .gives = &shape_status,
      .errors = ERROR_404 },
    { .route = POST("/lanes/:name/reset"), .fn = admin_reset_lane, .id = "resetLane", .group = "Lanes",
      .what = "empty it; answers when that is done", .gives = &shape_status, .errors = ERROR_404 },
    { .route = GET("/clock"), .fn = admin_get_clock, .id = "getClock", .group = "Clock",
      .what = "what time it is", .params = LANE, .gives = &shape_clocks, .errors = LANE_ERRORS },
    { .route = POST("/clock/freeze"), .fn = admin_freeze_clock, .id = "freezeClock", .group = "Clock",
      .what = "let the time stand still", .params = LANE, .lanes = LANE_MADE, .gives = &shape_clocks },
    { .route = POST("/clock/advance"), .fn = admin_advance_clock, .id = "advanceClock", .group = "Clock",
      .what = "let some time pass at once; answers when all that this sets off has begun",
      .more = "Without a lane: in all that there are now. One that stands still goes on standing.", .params = LANE,
      .lanes = LANE_MADE, .body = BODY_SHAPE, .takes = &body_clock_advance, .gives = &shape_clocks,
      .errors = BODY_ERRORS },
    { .route = POST("/clock/run"), .fn = admin_run_clock, .id = "runClock", .group = "Clock",
      .what = "let the time run, from where it is", .params = LANE, .lanes = LANE_MADE, .body = BODY_SHAPE,
      .takes = &body_clock_run, .gives = &shape_clocks, .errors = BODY_ERRORS },
    { .route = POST("/clock/reset"), .fn = admin_reset_clock, .id = "resetClock", .group = "Clock",
      .what = "let the time run as scenarios or the command line say", .params = LANE, .lanes = LANE_MADE,
      .gives = &shape_clocks },
    { .route = GET("/barriers"), .fn = admin_list_barriers, .id = "listBarriers", .group = "Barriers",
      .what = "barriers that puppets stand at, or that are open", .params = LANE, .gives = &shape_barriers,
      .errors = LANE_ERRORS },
    { .route = POST("/barriers/open"), .fn = admin_open_barrier, .id = "openBarrier", .group = "Barriers",
      .what = "let go who stands at a barrier",
      .more = "Without a lane: in all that there are now.", .params = LANE, .lanes = LANE_MADE, .body = BODY_SHAPE,
      .takes = &body_barrier_open, .gives = &shape_barrier_opened, .errors = BODY_ERRORS },
    { .route = POST("/barriers/wait"), .fn = admin_wait_barrier, .id = "waitForBarrier", .group = "Barriers",
      .what = "wait until so many puppets stand at a barrier, or sleep", .params = LANE, .lanes = LANE_MADE,
      .body = BODY_SHAPE, .takes = &body_barrier_wait, .gives = &shape_barrier_waited,
      .errors = BODY_ERRORS | ERROR_408 },
};

const size_t admin_route_count = COUNT(admin_routes);

void admin_get_routes(struct call *call)
{
    struct answer a;
    answer_begin(&a, call);
    jsonw_array(&a.w, "routes");
    for (size_t i = 0; i < admin_route_count; i++) {
        if (admin_routes[i].what == NULL)
            continue;
        jsonw_object(&a.w, NULL);
        jsonw_str(&a.w, "method", admin_routes[i].route.method);
        jsonw_str(&a.w, "path", admin_routes[i].route.pattern);
        jsonw_str(&a.w, "description", admin_routes[i].what);
        jsonw_end_object(&a.w);
    }
    jsonw_end_array(&a.w);
    answer_end(&a);
}
