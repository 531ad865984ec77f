/* Broken, contradictory and unknown things in scenario files: each is refused, with these very words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "scenario/scenario.h"

/* A sound first line, so that the second is what is looked at. */
#define RULE(text) "{\"standbox\":1,\"name\":\"x\",\"why\":\"y\",\n" text "}"

struct refusal {
    const char *text, *error;
};

/* clang-format off */
static const struct refusal refusals[] = {
    { "",
      "f:1:1: the text ends too early" },
    { "{",
      "f:1:2: the text ends too early" },
    { "{\"standbox\":1,}",
      "f:1:15: a member name in quotes should be here" },
    { "{\"standbox\":1} x",
      "f:1:16: text behind the end of the document" },
    { "[]",
      "f:1:1: /: must be an object, not a list" },
    { "\"standbox\"",
      "f:1:1: /: must be an object, not a string" },
    { "{}",
      "f:1:1: /: a scenario needs \"standbox\"" },
    { "{\"standbox\":2,\"future\":{}}",
      "f:1:13: /standbox: must be 1, the version of the format that is known here" },
    { "{\"standbox\":\"1\",\"name\":\"x\",\"why\":\"y\"}",
      "f:1:13: /standbox: must be 1, the version of the format that is known here" },
    { "{\"standbox\":1,\"name\":\"x\"}",
      "f:1:1: /: a scenario needs \"why\"" },
    { "{\"standbox\":1,\"name\":\"Big Name\",\"why\":\"y\"}",
      "f:1:22: /name: must be up to 100 of a-z 0-9 . _ - and begin with a letter or digit" },
    { "{\"standbox\":1,\"name\":\"\",\"why\":\"y\"}",
      "f:1:22: /name: must not be empty" },
    { "{\"standbox\":1,\"name\":\"../etc\",\"why\":\"y\"}",
      "f:1:22: /name: must be up to 100 of a-z 0-9 . _ - and begin with a letter or digit" },
    { "{\"standbox\":1,\"name\":\"x\",\"why\":null}",
      "f:1:32: /why: must be a string, not null" },
    { "{\"standbox\":1,\"name\":\"x\",\"why\":\"a\\u0000b\"}",
      "f:1:32: /why: must not hold a NUL character" },
    { "{\"standbox\":1,\"name\":\"x\",\"why\":\"y\",\"name\":\"z\"}",
      "f:1:36: /name: this key stands here twice in one object" },
    { "{\"standbox\":1,/* é é */\"nmae\":\"x\",\"why\":\"y\"}",
      "f:1:24: /nmae: unknown key \"nmae\": did you mean \"name\"?" },
    { "{\"standbox\":1,/* é é */ x",
      "f:1:25: a member name in quotes should be here" },
    { "/* open",
      "f:1:1: a comment that never ends" },
    { "{\"standbox\":1 / 2}",
      "f:1:15: ',' or '}' should be here" },
    { RULE("\"fault\":[]"),
      "f:2:1: /fault: unknown key \"fault\": did you mean \"faults\"?" },
    { RULE("\"Faults\":[]"),
      "f:2:1: /Faults: unknown key \"Faults\": did you mean \"faults\"?" },
    { RULE("\"colour\":\"red\""),
      "f:2:1: /colour: unknown key \"colour\": a scenario takes standbox, name, why, source, processes, faults, settings, status, clock, seed, $schema" },
    { RULE("\"a~b/c\\u0000\\n\":1"),
      "f:2:1: /a~0b~1c\\u0000\\n: unknown key \"a~b/c\\u0000\\n\": a scenario takes standbox, name, why, source, processes, faults, settings, status, clock, seed, $schema" },
    { RULE("\"faults\":[{\"when\":{},\"reply\":{\"status\":200,\"pieces\":[1]}}]"),
      "f:2:44: /faults/0/reply/pieces: \"pieces\" goes with \"body\"" },
    { RULE("\"faults\":[{\"when\":{},\"reply\":{\"status\":200,\"body\":\"abc\",\"pieces\":[1,2]}}]"),
      "f:2:66: /faults/0/reply/pieces: 3 bytes in all, and the body has 3: there must be a rest" },
    { RULE("\"faults\":[{\"when\":{},\"reply\":{\"status\":200,\"body\":\"abc\",\"pieces\":[0]}}]"),
      "f:2:67: /faults/0/reply/pieces/0: must be from 1 to 1048576, not 0" },
    { RULE("\"settings\":[]"),
      "f:2:12: /settings: must be an object of vendors, not a list" },
    { RULE("\"settings\":{\"hyperbrowsre\":{}}"),
      "f:2:13: /settings/hyperbrowsre: unknown vendor \"hyperbrowsre\": did you mean \"hyperbrowser\"?" },
    { RULE("\"settings\":{\"acme\":{}}"),
      "f:2:13: /settings/acme: unknown vendor \"acme\": known are coreweave, hyperbrowser, cloudflare, modal" },
    { RULE("\"settings\":{\"modal\":[]}"),
      "f:2:21: /settings/modal: must be an object of settings, not a list" },
    { RULE("\"settings\":{\"modal\":{\"a\":true}}"),
      "f:2:26: /settings/modal/a: must be a whole number or a string, not true" },
    { RULE("\"settings\":{\"modal\":{\"a\":1.5}}"),
      "f:2:26: /settings/modal/a: must be a whole number, not 1.5" },
    { RULE("\"settings\":{\"modal\":{\"a\":\"x\\u0000\"}}"),
      "f:2:26: /settings/modal/a: must not hold a NUL character" },
    { RULE("\"settings\":{\"modal\":{\"a=b\":1}}"),
      "f:2:22: /settings/modal/a=b: not the name of a setting" },
    { RULE("\"settings\":{\"modal\":{\"\":1}}"),
      "f:2:22: /settings/modal/: not the name of a setting" },
    { RULE("\"source\":7"),
      "f:2:10: /source: must be a text or a list of texts, not a number" },
    { RULE("\"source\":[]"),
      "f:2:10: /source: must not be an empty list" },
    { RULE("\"source\":[\"a\",1]"),
      "f:2:15: /source/1: must be a string, not a number" },
    { RULE("\"processes\":{}"),
      "f:2:13: /processes: must be a list, not an object" },
    { RULE("\"processes\":[1]"),
      "f:2:14: /processes/0: must be an object, not a number" },
    { RULE("\"processes\":[{\"run\":{\"exit\":0}}]"),
      "f:2:14: /processes/0: a rule of \"processes\" needs \"when\"" },
    { RULE("\"processes\":[{\"when\":{}}]"),
      "f:2:14: /processes/0: a rule of \"processes\" needs \"run\"" },
    { RULE("\"processes\":[{\"when\":{},\"run\":{}}]"),
      "f:2:31: /processes/0/run: needs an action: puppet, fail, command or exit" },
    { RULE("\"processes\":[{\"when\":{},\"run\":{\"exit\":0},\"times\":1}]"),
      "f:2:42: /processes/0/times: unknown key \"times\": a rule of \"processes\" takes when, run" },
    { RULE("\"processes\":[{\"when\":{},\"run\":{\"exit\":0,\"fail\":\"ENOENT\"}}]"),
      "f:2:41: /processes/0/run/fail: \"exit\" and \"fail\" contradict each other: a run has one action" },
    { RULE("\"processes\":[{\"when\":{},\"run\":{\"command\":\"true\",\"puppet\":[{\"exit\":0}]}}]"),
      "f:2:49: /processes/0/run/puppet: \"command\" and \"puppet\" contradict each other: a run has one action" },
    { RULE("\"processes\":[{\"when\":{},\"run\":{\"out\":\"a\"}}]"),
      "f:2:31: /processes/0/run: needs an action: puppet, fail, command or exit" },
    { RULE("\"processes\":[{\"when\":{},\"run\":{\"fail\":\"EIO\",\"out\":\"a\"}}]"),
      "f:2:45: /processes/0/run/out: \"out\" goes only with \"exit\", not with \"fail\"" },
    { RULE("\"processes\":[{\"when\":{},\"run\":{\"exit\":256}}]"),
      "f:2:39: /processes/0/run/exit: must be from 0 to 255, not 256" },
    { RULE("\"processes\":[{\"when\":{},\"run\":{\"exit\":1.5}}]"),
      "f:2:39: /processes/0/run/exit: must be a whole number, not 1.5" },
    { RULE("\"processes\":[{\"when\":{},\"run\":{\"exit\":\"1\"}}]"),
      "f:2:39: /processes/0/run/exit: must be a whole number, not a string" },
    { RULE("\"processes\":[{\"when\":{},\"run\":{\"exit\":0,\"out\":[\"a\"]}}]"),
      "f:2:47: /processes/0/run/out: must be a string, not a list" },
    { RULE("\"processes\":[{\"when\":{},\"run\":{\"fail\":\"ENOTENT\"}}]"),
      "f:2:39: /processes/0/run/fail: unknown errno name \"ENOTENT\": did you mean \"ENOENT\"?" },
    { RULE("\"processes\":[{\"when\":{},\"run\":{\"fail\":2}}]"),
      "f:2:39: /processes/0/run/fail: must be a string (errno name), not a number" },
    { RULE("\"processes\":[{\"when\":{},\"run\":{\"command\":\"\"}}]"),
      "f:2:42: /processes/0/run/command: must not be empty" },
    { RULE("\"processes\":[{\"when\":{},\"run\":{\"puppet\":[]}}]"),
      "f:2:41: /processes/0/run/puppet: must not be an empty list" },
    { RULE("\"processes\":[{\"when\":{},\"run\":{\"puppet\":[\"exit\"]}}]"),
      "f:2:42: /processes/0/run/puppet/0: must be an object, such as {\"out\": \"hello\\n\"}, not a string" },
    { RULE("\"processes\":[{\"when\":{},\"run\":{\"puppet\":{\"exit\":0}}}]"),
      "f:2:41: /processes/0/run/puppet: must be a list, not an object" },
    { RULE("\"processes\":[{\"when\":{\"op\":\"process.kill\"},\"run\":{\"exit\":0}}]"),
      "f:2:28: /processes/0/when/op: only process.exec, process.start and sandbox.create start a process" },
    { RULE("\"processes\":[{\"when\":{},\"run\":{\"exit\":0}},{\"when\":{\"argv0\":\"a\"},\"run\":{\"exit\":0}}]"),
      "f:2:43: /processes/1: can never fire: the rule before it takes every request, and the first match wins" },
    { RULE("\"faults\":[{\"when\":{\"op\":\"sandbox.get\"},\"fault\":\"error_answer\"}]"),
      "f:2:25: /faults/0/when/op: none of these has an answer that can say that it failed" },
    { RULE("\"faults\":[{\"when\":{\"dialect\":\"hyperbrowser\"},\"fault\":\"error_answer\"}]"),
      "f:2:30: /faults/0/when/dialect: \"error_answer\" is a fault of coreweave, which none of these speaks" },
    { RULE("\"faults\":[{\"when\":{\"dialect\":\"coreweave\"},\"at\":{\"after_bytes\":1},\"fault\":\"expire_token\"}]"),
      "f:2:43: /faults/0/at: \"expire_token\" has no place with these, whose API keys do not expire: without one it refuses the "
      "request itself" },
    { RULE("\"processes\":[{\"when\":{\"op\":[\"process.*\",\"sandbox.create\"]},\"run\":{\"exit\":0}}]"),
      "f:2:28: /processes/0/when/op: only process.exec, process.start and sandbox.create start a process" },
    { RULE("\"processes\":[{\"when\":{},\"run\":{\"exit\":0}},{\"when\":{\"op\":\"sandbox.create\"},\"run\":{\"exit\":0}},"
           "{\"when\":{\"op\":\"process.start\"},\"run\":{\"exit\":0}}]"),
      "f:2:93: /processes/2: can never fire: the rule before it takes every request, and the first match wins" },
    { RULE("\"processes\":[{\"when\":{\"commando\":\"a\"},\"run\":{\"exit\":0}}]"),
      "f:2:23: /processes/0/when/commando: unknown key \"commando\": did you mean \"command\"?" },
    { RULE("\"processes\":[{\"when\":{\"command\":7},\"run\":{\"exit\":0}}]"),
      "f:2:33: /processes/0/when/command: must be a text or {\"regex\": ...}, not a number" },
    { RULE("\"processes\":[{\"when\":{\"command\":[]},\"run\":{\"exit\":0}}]"),
      "f:2:33: /processes/0/when/command: must not be an empty list" },
    { RULE("\"processes\":[{\"when\":{\"command\":[\"a\",{\"regexp\":\"b\"}]},\"run\":{\"exit\":0}}]"),
      "f:2:39: /processes/0/when/command/1/regexp: unknown key \"regexp\": did you mean \"regex\"?" },
    { RULE("\"processes\":[{\"when\":{\"command\":{\"regex\":\"(a\"}},\"run\":{\"exit\":0}}]"),
      "f:2:42: /processes/0/when/command/regex: not a regular expression to use: character 3: a \"(\" without its \")\"" },
    { RULE("\"processes\":[{\"when\":{\"command\":{\"regex\":\"(a)\\\\1\"}},\"run\":{\"exit\":0}}]"),
      "f:2:42: /processes/0/when/command/regex: not a regular expression to use: character 4: back-references are not taken: their cost has no bound" },
    { RULE("\"processes\":[{\"when\":{\"command\":{\"regex\":\"\\\\d+\"}},\"run\":{\"exit\":0}}]"),
      "f:2:42: /processes/0/when/command/regex: not a regular expression to use: character 1: \"\\\" goes only before punctuation; use [[:digit:]], [[:space:]], [[:alnum:]_]" },
    { RULE("\"processes\":[{\"when\":{\"command\":{\"regex\":\"a{1,999}\"}},\"run\":{\"exit\":0}}]"),
      "f:2:42: /processes/0/when/command/regex: not a regular expression to use: character 8: a repeat needs numbers up to 255: {m}, {m,} or {m,n}" },
    { RULE("\"processes\":[{\"when\":{\"command\":{\"regex\":\"((a{200}){200}){200}\"}},\"run\":{\"exit\":0}}]"),
      "f:2:42: /processes/0/when/command/regex: not a regular expression to use: too large once its repeats are written out (limit 2000 steps)" },
    { RULE("\"processes\":[{\"when\":{\"command\":{\"regex\":\"\"}},\"run\":{\"exit\":0}}]"),
      "f:2:42: /processes/0/when/command/regex: must not be empty" },
    { RULE("\"processes\":[{\"when\":{\"command\":\"a\\u0000\"},\"run\":{\"exit\":0}}]"),
      "f:2:33: /processes/0/when/command: must not hold a NUL character" },
    { RULE("\"processes\":[{\"when\":{\"env\":{}},\"run\":{\"exit\":0}}]"),
      "f:2:29: /processes/0/when/env: must name from 1 to 1000 variables, not 0" },
    { RULE("\"processes\":[{\"when\":{\"env\":{\"A=B\":\"1\"}},\"run\":{\"exit\":0}}]"),
      "f:2:30: /processes/0/when/env/A=B: the name of a variable must not be empty nor hold \"=\" or NUL" },
    { RULE("\"processes\":[{\"when\":{\"env\":{\"A\":1}},\"run\":{\"exit\":0}}]"),
      "f:2:34: /processes/0/when/env/A: must be a text or {\"regex\": ...}, not a number" },
    { RULE("\"processes\":[{\"when\":{\"env\":[\"A\"]},\"run\":{\"exit\":0}}]"),
      "f:2:29: /processes/0/when/env: must be an object of variables, not a list" },
    { RULE("\"processes\":[{\"when\":{\"dialect\":\"hyperbrowsr\"},\"run\":{\"exit\":0}}]"),
      "f:2:33: /processes/0/when/dialect: unknown dialect \"hyperbrowsr\": did you mean \"hyperbrowser\"?" },
    { RULE("\"processes\":[{\"when\":{\"dialect\":\"e2b\"},\"run\":{\"exit\":0}}]"),
      "f:2:33: /processes/0/when/dialect: unknown dialect \"e2b\": known are coreweave, hyperbrowser, cloudflare, modal" },
    { RULE("\"processes\":[{\"when\":{\"nth\":0},\"run\":{\"exit\":0}}]"),
      "f:2:29: /processes/0/when/nth: must be from 1 to 9007199254740992, not 0" },
    { RULE("\"processes\":[{\"when\":{\"nth\":-1},\"run\":{\"exit\":0}}]"),
      "f:2:29: /processes/0/when/nth: must be from 1 to 9007199254740992, not -1" },
    { RULE("\"processes\":[{\"when\":{\"nth\":[1,1]},\"run\":{\"exit\":0}}]"),
      "f:2:29: /processes/0/when/nth: 1 is in it twice" },
    { RULE("\"processes\":[{\"when\":{\"nth\":[3,{\"from\":1}]},\"run\":{\"exit\":0}}]"),
      "f:2:29: /processes/0/when/nth: 3 is in it twice" },
    { RULE("\"processes\":[{\"when\":{\"nth\":{\"from\":3,\"to\":2}},\"run\":{\"exit\":0}}]"),
      "f:2:29: /processes/0/when/nth: a range that ends before it begins" },
    { RULE("\"processes\":[{\"when\":{\"nth\":{\"to\":2}},\"run\":{\"exit\":0}}]"),
      "f:2:29: /processes/0/when/nth: a range needs \"from\"" },
    { RULE("\"processes\":[{\"when\":{\"nth\":\"1\"},\"run\":{\"exit\":0}}]"),
      "f:2:29: /processes/0/when/nth: must be a number, a list of numbers or {\"from\": N, \"to\": N}, not a string" },
    { RULE("\"processes\":[{\"when\":{\"nth\":1e300},\"run\":{\"exit\":0}}]"),
      "f:2:29: /processes/0/when/nth: must be from 1 to 9007199254740992, not 1e+300" },
    { RULE("\"faults\":[{\"when\":{\"op\":\"process.klil\"},\"fault\":\"cut\"}]"),
      "f:2:25: /faults/0/when/op: unknown operation \"process.klil\": did you mean \"process.kill\"?" },
    { RULE("\"faults\":[{\"when\":{\"op\":\"teleport\"},\"fault\":\"cut\"}]"),
      "f:2:25: /faults/0/when/op: unknown operation \"teleport\": known are sandbox.create, sandbox.get, sandbox.list, sandbox.stop, process.exec, process.start, process.get, process.list, process.wait, process.signal, process.kill, process.stdin, process.stream, process.logs, process.waitport, process.poll, pr..." },
    { RULE("\"faults\":[{\"when\":{}}]"),
      "f:2:11: /faults/0: needs \"fault\" or \"reply\"" },
    { RULE("\"faults\":[{\"when\":{},\"fault\":\"cut\",\"reply\":{\"status\":503}}]"),
      "f:2:36: /faults/0/reply: \"fault\" and \"reply\" contradict each other: a rule has one of them" },
    { RULE("\"faults\":[{\"when\":{},\"fault\":\"CONNECTION_RESET\"}]"),
      "f:2:30: /faults/0/fault: unknown fault \"CONNECTION_RESET\": did you mean \"CONNECTION_RESET_BY_PEER\"?" },
    { RULE("\"faults\":[{\"when\":{},\"fault\":\"connection_reset_by_peer\"}]"),
      "f:2:30: /faults/0/fault: unknown fault \"connection_reset_by_peer\": did you mean \"CONNECTION_RESET_BY_PEER\"?" },
    { RULE("\"faults\":[{\"when\":{},\"fault\":\"status\"}]"),
      "f:2:30: /faults/0/fault: a status is no fault: use \"reply\": {\"status\": 503} in its place" },
    { RULE("\"faults\":[{\"when\":{},\"fault\":\"explode\"}]"),
      "f:2:30: /faults/0/fault: unknown fault \"explode\": known are delay, first_byte_delay, stall, slow, dribble, split, cut, EMPTY_RESPONSE, CONNECTION_RESET_BY_PEER and others (see the schema)" },
    { RULE("\"faults\":[{\"when\":{},\"fault\":7}]"),
      "f:2:30: /faults/0/fault: must be the name of a fault or an object with its \"kind\", not a number" },
    { RULE("\"faults\":[{\"when\":{},\"fault\":{\"ms\":5}}]"),
      "f:2:30: /faults/0/fault: needs \"kind\", the name of a fault" },
    { RULE("\"faults\":[{\"when\":{},\"fault\":\"delay\"}]"),
      "f:2:30: /faults/0/fault: \"delay\" needs \"ms\": {\"kind\": \"delay\", \"ms\": ...}" },
    { RULE("\"faults\":[{\"when\":{},\"fault\":{\"kind\":\"delay\"}}]"),
      "f:2:30: /faults/0/fault: \"delay\" needs \"ms\": {\"kind\": \"delay\", \"ms\": ...}" },
    { RULE("\"faults\":[{\"when\":{},\"fault\":{\"kind\":\"delay\",\"ms\":0}}]"),
      "f:2:51: /faults/0/fault/ms: must be from 1 to 86400000, not 0" },
    { RULE("\"faults\":[{\"when\":{},\"fault\":{\"kind\":\"delay\",\"msec\":5}}]"),
      "f:2:46: /faults/0/fault/msec: unknown key \"msec\": this fault takes kind, ms, jitter_ms" },
    { RULE("\"faults\":[{\"when\":{},\"fault\":{\"kind\":\"slow\",\"bytes_per_s\":\"1k\"}}]"),
      "f:2:59: /faults/0/fault/bytes_per_s: must be a whole number, not a string" },
    { RULE("\"faults\":[{\"when\":{},\"fault\":{\"kind\":\"cut\",\"terminator\":1}}]"),
      "f:2:57: /faults/0/fault/terminator: must be true or false, not a number" },
    { RULE("\"faults\":[{\"when\":{},\"fault\":{\"kind\":\"RST_STREAM\",\"code\":\"CANCELED\"}}]"),
      "f:2:58: /faults/0/fault/code: unknown HTTP/2 error code \"CANCELED\": did you mean \"CANCEL\"?" },
    { RULE("\"faults\":[{\"when\":{},\"at\":{\"after_bytes\":9},\"fault\":\"EMPTY_RESPONSE\"}]"),
      "f:2:28: /faults/0/at/after_bytes: \"after_bytes\" makes no sense with \"EMPTY_RESPONSE\", which takes after_fact, probability" },
    { RULE("\"faults\":[{\"when\":{},\"at\":{\"after_bytes\":9},\"reply\":{\"status\":500}}]"),
      "f:2:28: /faults/0/at/after_bytes: \"after_bytes\" makes no sense with \"reply\", which takes after_fact, probability" },
    { RULE("\"faults\":[{\"when\":{},\"at\":{\"after_events\":9},\"fault\":{\"kind\":\"delay\",\"ms\":5}}]"),
      "f:2:28: /faults/0/at/after_events: \"after_events\" makes no sense with \"delay\", which takes after_fact, probability" },
    { RULE("\"faults\":[{\"when\":{},\"at\":{\"after_bytes\":9},\"fault\":\"reorder\"}]"),
      "f:2:28: /faults/0/at/after_bytes: \"after_bytes\" makes no sense with \"reorder\", which takes after_events, after_fact, probability" },
    { RULE("\"faults\":[{\"when\":{},\"at\":{\"after_fact\":\"exited\"},\"fault\":\"drop_terminal_event\"}]"),
      "f:2:28: /faults/0/at/after_fact: \"after_fact\" makes no sense with \"drop_terminal_event\", which takes probability" },
    { RULE("\"faults\":[{\"when\":{},\"at\":{\"after_bytes\":9,\"after_events\":1},\"fault\":\"cut\"}]"),
      "f:2:44: /faults/0/at/after_events: \"after_bytes\" and \"after_events\" contradict each other: a fault has one place" },
    { RULE("\"faults\":[{\"when\":{},\"at\":{\"after_bytes\":-1},\"fault\":\"cut\"}]"),
      "f:2:42: /faults/0/at/after_bytes: must be from 0 to 9007199254740992, not -1" },
    { RULE("\"faults\":[{\"when\":{},\"at\":{\"after_fact\":\"exploded\"},\"fault\":\"cut\"}]"),
      "f:2:41: /faults/0/at/after_fact: unknown fact \"exploded\": known are queued, started, out, err, stdin, stdin-eof, signalled, timed-out, exited, died, start-failed, output-eof, ended" },
    { RULE("\"faults\":[{\"when\":{},\"at\":{\"probability\":1.5},\"fault\":\"cut\"}]"),
      "f:2:42: /faults/0/at/probability: must be from 0 to 1, not 1.5" },
    { RULE("\"faults\":[{\"when\":{},\"at\":{\"probability\":0},\"fault\":\"cut\"}]"),
      "f:2:42: /faults/0/at/probability: with 0 the fault can never fire" },
    { RULE("\"faults\":[{\"when\":{},\"at\":{\"probabilty\":0.5},\"fault\":\"cut\"}]"),
      "f:2:28: /faults/0/at/probabilty: unknown key \"probabilty\": did you mean \"probability\"?" },
    { RULE("\"faults\":[{\"when\":{\"op\":\"sandbox.get\"},\"fault\":\"reorder\"}]"),
      "f:2:25: /faults/0/when/op: none of these answers with events in any dialect" },
    { RULE("\"faults\":[{\"when\":{\"op\":\"file.write\"},\"at\":{\"after_fact\":\"exited\"},\"fault\":\"cut\"}]"),
      "f:2:25: /faults/0/when/op: none of these is about one process, which has facts" },
    { RULE("\"faults\":[{\"when\":{\"op\":\"process.exec\"},\"at\":{\"after_fact\":\"out\"},\"fault\":{\"kind\":\"delay\",\"ms\":5}}]"),
      "f:2:25: /faults/0/when/op: none of these is about a process that is there already" },
    { RULE("\"faults\":[{\"when\":{\"op\":[\"process.start\",\"process.exec\"]},\"at\":{\"after_fact\":\"started\"},\"fault\":{\"kind\":\"first_byte_delay\",\"ms\":5}}]"),
      "f:2:25: /faults/0/when/op: none of these is about a process that is there already" },
    { RULE("\"faults\":[{\"when\":{\"op\":\"process.start\"},\"at\":{\"after_fact\":\"exited\"},\"fault\":\"lost_reply\"}]"),
      "f:2:25: /faults/0/when/op: none of these is about a process that is there already" },
    { RULE("\"faults\":[{\"when\":{\"op\":[\"process.start\",\"process.list\"]},\"at\":{\"after_fact\":\"exited\"},\"fault\":\"EMPTY_RESPONSE\"}]"),
      "f:2:25: /faults/0/when/op: none of these is about a process that is there already" },
    { RULE("\"faults\":[{\"when\":{\"op\":\"sandbox.*\"},\"at\":{\"after_fact\":\"exited\"},\"reply\":{\"status\":500}}]"),
      "f:2:25: /faults/0/when/op: none of these is about a process that is there already" },
    { RULE("\"faults\":[{\"when\":{\"op\":\"file.write\"},\"at\":{\"after_fact\":\"exited\"},\"reply\":{\"pretend\":\"success\"}}]"),
      "f:2:25: /faults/0/when/op: none of these can be pretended: only what gives nothing back but success and is about a process that is there already" },
    { RULE("\"faults\":[{\"when\":{\"op\":\"file.watch\"},\"at\":{\"after_fact\":\"exited\"},\"fault\":\"reorder\"}]"),
      "f:2:25: /faults/0/when/op: none of these answers with events in any dialect and is about one process, which has facts" },
    { RULE("\"faults\":[{\"when\":{\"op\":\"sandbox.list\"},\"at\":{\"after_events\":1},\"fault\":\"cut\"}]"),
      "f:2:25: /faults/0/when/op: none of these answers with events in any dialect" },
    { RULE("\"faults\":[{\"when\":{\"dialect\":[\"cloudflare\"]},\"fault\":\"GOAWAY\"}]"),
      "f:2:30: /faults/0/when/dialect: \"GOAWAY\" is a fault of gRPC, which none of these speaks" },
    { RULE("\"faults\":[{\"when\":{\"dialect\":\"modal\"},\"fault\":\"MALFORMED_RESPONSE_CHUNK\"}]"),
      "f:2:30: /faults/0/when/dialect: \"MALFORMED_RESPONSE_CHUNK\" is a fault of HTTP/1.1, which none of these speaks" },
    { RULE("\"faults\":[{\"when\":{},\"fault\":\"cut\",\"times\":0}]"),
      "f:2:44: /faults/0/times: must be from 1 to 9007199254740992, not 0" },
    { RULE("\"faults\":[{\"when\":{\"nth\":[1,2]},\"fault\":\"cut\",\"times\":3}]"),
      "f:2:55: /faults/0/times: \"nth\" lets it fire 2 times at most" },
    { RULE("\"faults\":[{\"when\":{},\"fault\":\"cut\"},{\"when\":{},\"fault\":\"stall\"}]"),
      "f:2:37: /faults/1: can never fire: the rule before it takes every request, and the first match wins" },
    { RULE("\"faults\":[{\"when\":{\"op\":\"process.kill\"},\"reply\":{\"pretend\":\"failure\"}}]"),
      "f:2:60: /faults/0/reply/pretend: must be \"success\"" },
    { RULE("\"faults\":[{\"when\":{},\"reply\":{\"pretend\":\"success\"}}]"),
      "f:2:19: /faults/0/when: \"pretend\" needs \"op\": which operation pretends" },
    { RULE("\"faults\":[{\"when\":{\"op\":\"process.get\"},\"reply\":{\"pretend\":\"success\"}}]"),
      "f:2:25: /faults/0/when/op: none of these can be pretended: only what gives nothing back but success" },
    { RULE("\"faults\":[{\"when\":{\"op\":[\"process.kill\",\"process.get\"]},\"reply\":{\"pretend\":\"success\"}}]"),
      "f:2:25: /faults/0/when/op: not all of these can be pretended: only what gives nothing back but success" },
    { RULE("\"faults\":[{\"when\":{\"op\":\"process.kill\"},\"reply\":{\"pretend\":\"success\",\"status\":500}}]"),
      "f:2:70: /faults/0/reply/status: \"status\" contradicts \"pretend\", which answers as if all had gone well" },
    { RULE("\"faults\":[{\"when\":{},\"reply\":{}}]"),
      "f:2:30: /faults/0/reply: needs \"status\" or \"pretend\"" },
    { RULE("\"faults\":[{\"when\":{},\"reply\":{\"status\":99}}]"),
      "f:2:40: /faults/0/reply/status: must be from 200 to 599, not 99" },
    { RULE("\"faults\":[{\"when\":{},\"reply\":{\"status\":\"UNAVAILABEL\"}}]"),
      "f:2:40: /faults/0/reply/status: unknown gRPC status \"UNAVAILABEL\": did you mean \"UNAVAILABLE\"?" },
    { RULE("\"faults\":[{\"when\":{},\"reply\":{\"status\":\"OK\"}}]"),
      "f:2:40: /faults/0/reply/status: \"OK\" is no error: use \"pretend\": \"success\"" },
    { RULE("\"faults\":[{\"when\":{},\"reply\":{\"status\":null}}]"),
      "f:2:40: /faults/0/reply/status: must be an HTTP status such as 503 or a gRPC status such as \"UNAVAILABLE\", not null" },
    { RULE("\"faults\":[{\"when\":{},\"reply\":{\"status\":\"INTERNAL\",\"body\":\"x\"}}]"),
      "f:2:51: /faults/0/reply/body: \"body\" goes with an HTTP status, not with a gRPC one" },
    { RULE("\"faults\":[{\"when\":{},\"reply\":{\"status\":204,\"body\":\"x\"}}]"),
      "f:2:44: /faults/0/reply/body: an answer with status 204 has no body" },
    { RULE("\"faults\":[{\"when\":{},\"reply\":{\"status\":304,\"body\":\"x\",\"content_type\":\"text/plain\"}}]"),
      "f:2:44: /faults/0/reply/body: an answer with status 304 has no body" },
    { RULE("\"faults\":[{\"when\":{},\"reply\":{\"status\":500,\"body\":\"x\",\"message\":\"y\"}}]"),
      "f:2:55: /faults/0/reply/message: \"message\" contradicts \"body\", which is the whole answer" },
    { RULE("\"faults\":[{\"when\":{},\"reply\":{\"status\":500,\"content_type\":\"text/html\"}}]"),
      "f:2:44: /faults/0/reply/content_type: \"content_type\" goes with \"body\"" },
    { RULE("\"faults\":[{\"when\":{},\"reply\":{\"status\":500,\"details\":\"x\"}}]"),
      "f:2:54: /faults/0/reply/details: must be an object or a list, not a string" },
    { RULE("\"faults\":[{\"when\":{},\"reply\":{\"status\":500,\"headers\":{\"A B\":\"x\"}}}]"),
      "f:2:55: /faults/0/reply/headers/A B: not the name of a header" },
    { RULE("\"faults\":[{\"when\":{},\"reply\":{\"status\":500,\"headers\":{\"A\":\"x\\r\\nSet-Cookie: b\"}}}]"),
      "f:2:59: /faults/0/reply/headers/A: not the value of a header" },
    { RULE("\"faults\":[{\"when\":{},\"reply\":{\"status\":500,\"headers\":{\"Retry-After\":\"1\"}}}]"),
      "f:2:55: /faults/0/reply/headers/Retry-After: this header is set by the server: use \"retry_after_s\"" },
    { RULE("\"faults\":[{\"when\":{},\"reply\":{\"status\":503,\"retry_after_s\":-1}}]"),
      "f:2:60: /faults/0/reply/retry_after_s: must be from 0 to 86400, not -1" },
    { RULE("\"status\":{}"),
      "f:2:10: /status: \"status\" needs \"hold\"" },
    { RULE("\"status\":{\"hold\":{\"queued_ms\":0}}"),
      "f:2:31: /status/hold/queued_ms: must be from 1 to 86400000, not 0" },
    { RULE("\"clock\":{\"scale\":0}"),
      "f:2:18: /clock/scale: must be from 0.001 to 1000000, not 0" },
    { RULE("\"clock\":{\"scale\":\"fast\"}"),
      "f:2:18: /clock/scale: must be a number, not a string" },
    { RULE("\"clock\":\"stopped\""),
      "f:2:9: /clock: must be {\"scale\": N} or \"manual\"" },
    { RULE("\"clock\":50"),
      "f:2:9: /clock: must be {\"scale\": N} or \"manual\", not a number" },
    { RULE("\"seed\":-1"),
      "f:2:8: /seed: must be from 0 to 9007199254740991, not -1" },
    { RULE("\"seed\":1.5"),
      "f:2:8: /seed: must be a whole number, not 1.5" },
};
/* clang-format on */

static void every_wrong_file_is_refused_with_place_and_reason(void **state)
{
    (void) state;
    size_t wrong = 0;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        struct scenario *scenario = NULL;
        struct err err = ERR_INIT;
        int rc = scenario_parse(&scenario, "f", refusals[i].text, strlen(refusals[i].text), &err);
        if (rc == -1 && scenario == NULL && strcmp(err.text, refusals[i].error) == 0 && err.code == ERR_INVALID)
            continue;
        print_error("%s\n  should say %s\n  and says   %s\n", refusals[i].text, refusals[i].error, err.text);
        scenario_unref(scenario);
        wrong++;
    }
    assert_int_equal(wrong, 0);
}

/* ---- settings, by a vendor's table ----------------------------------------------------------- */

static int check_setting(const char *assignment, struct err *err)
{
    return strcmp(assignment, "life_ms=0") == 0 ? err_set(err, ERR_INVALID, 0, "nothing lives so short") : 0;
}

static const struct setting rows[] = {
    { "life_ms", SETTING_NUMBER, true },
    { "region", SETTING_TEXT, true },
    { "shell", SETTING_TEXT, false },
};

static const struct setting_table *settings_of(enum scenario_dialect dialect)
{
    static const struct setting_table table = { rows, sizeof rows / sizeof rows[0], check_setting };
    return dialect == DIALECT_MODAL ? &table : NULL;
}

static void settings_are_held_against_the_vendors_table(void **state)
{
    (void) state;
    static const struct scenario_hooks hooks = { .settings_of = settings_of };
    static const struct refusal bad[] = {
        { RULE("\"settings\":{\"coreweave\":{\"life_ms\":1}}"),
          "f:2:13: /settings/coreweave: coreweave is not built into this server, so nothing of it can be set" },
        { RULE("\"settings\":{\"modal\":{\"colour\":1}}"),
          "f:2:22: /settings/modal/colour: modal has no setting \"colour\" (--print-config lists them)" },
        { RULE("\"settings\":{\"modal\":{\"regoin\":\"x\"}}"),
          "f:2:22: /settings/modal/regoin: modal has no setting \"regoin\": did you mean \"region\"?" },
        { RULE("\"settings\":{\"modal\":{\"shell\":\"/bin/sh\"}}"),
          "f:2:22: /settings/modal/shell: modal looks at this setting when the server starts: say --set modal.shell=..." },
        { RULE("\"settings\":{\"modal\":{\"life_ms\":\"5\"}}"),
          "f:2:32: /settings/modal/life_ms: must be a whole number, not a string" },
        { RULE("\"settings\":{\"modal\":{\"region\":5}}"), "f:2:31: /settings/modal/region: must be a string, not a number" },
        { RULE("\"settings\":{\"modal\":{\"region\":\"x\",\"life_ms\":0}}"),
          "f:2:45: /settings/modal/life_ms: nothing lives so short" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct scenario *scenario = NULL;
        struct err err = ERR_INIT;
        assert_int_equal(scenario_parse_with(&scenario, &hooks, "f", bad[i].text, strlen(bad[i].text), &err), -1);
        assert_string_equal(err.text, bad[i].error);
    }
}

static void a_refusal_leaves_the_output_alone(void **state)
{
    (void) state;
    static const char *const text = RULE("\"processes\":[{\"when\":{},\"run\":{\"exit\":0}}],\"seed\":\"no\"");
    struct scenario *untouched = (struct scenario *) (uintptr_t) 8;
    struct err err = ERR_INIT;
    assert_int_equal(scenario_parse(&untouched, "f", text, strlen(text), &err), -1);
    assert_ptr_equal(untouched, (struct scenario *) (uintptr_t) 8);
}

static void every_prefix_of_a_sound_file_is_refused(void **state)
{
    (void) state;
    static const char *const text =
        RULE("/* c */ \"faults\":[{\"when\":{\"op\":[\"process.kill\"],\"nth\":{\"from\":2}},"
             "\"reply\":{\"pretend\":\"success\"}}], // c\n\"clock\":\"manual\"");
    for (size_t len = 0; len < strlen(text); len++) {
        struct scenario *scenario = NULL;
        struct err err = ERR_INIT;
        assert_int_equal(scenario_parse(&scenario, "f", text, len, &err), -1);
        assert_non_null(strstr(err.text, "f:"));
    }
    struct scenario *whole = NULL;
    struct err err = ERR_INIT;
    assert_int_equal(scenario_parse(&whole, "f", text, strlen(text), &err), 0);
    scenario_unref(whole);
}

static void a_long_path_does_not_crowd_out_the_reason(void **state)
{
    (void) state;
    char path[2000];
    struct scenario *scenario = NULL;
    struct err err = ERR_INIT;
    memset(path, 'p', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    assert_int_equal(scenario_parse(&scenario, path, RULE("\"seed\":-1"), strlen(RULE("\"seed\":-1")), &err), -1);
    assert_non_null(strstr(err.text, "pp:2:8: /seed: must be from 0 to 9007199254740991, not -1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_wrong_file_is_refused_with_place_and_reason),
        cmocka_unit_test(settings_are_held_against_the_vendors_table),
        cmocka_unit_test(a_refusal_leaves_the_output_alone),
        cmocka_unit_test(every_prefix_of_a_sound_file_is_refused),
        cmocka_unit_test(a_long_path_does_not_crowd_out_the_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
