/*
 * What a sandbox looks like from inside: its folders, users, PATH, and the command line that
 * starts its keeper, with bubblewrap or without (design: "Sandboxes and isolation").
 */
#ifndef STANDBOX_ENGINE_ISOLATE_H
#define STANDBOX_ENGINE_ISOLATE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "engine/engine.h"

#define HOST_MAX_TOOLS 4

/* Where processes see the puppet when they have a view of their own. */
#define INSIDE_PUPPET "/opt/standbox/puppet"

/* An interpreter of the host that lies outside the folders every sandbox sees. */
struct host_tool {
    char name[16];
    char path[256];      /* the program */
    char prefix[256];    /* folder to show read-only; "" when it is visible anyway */
};

struct host_tools {
    char bwrap[256];                          /* "" when there is none */
    char python3[256];                        /* what `python` should mean; "" when it is there or cannot be had */
    struct host_tool extra[HOST_MAX_TOOLS];
    size_t extra_count;
    char path[1024];                          /* PATH of a sandbox without isolation */
};

/* Look the host over; never fails, finds less. */
void host_tools_find(struct host_tools *out, enum isolation isolation);

/* A string list that owns its strings; NULL-terminated. */
struct string_list { char **items; size_t count, cap; bool failed; };
void string_list_add(struct string_list *list, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void string_list_fini(struct string_list *list);

struct sandbox_home {
    char *folder;        /* on the host; holds workspace tmp home app root etc bin */
    char *user;          /* default user */
    char *home;          /* as processes see it */
    char *shared_bin;    /* as processes see it */
    uid_t uid;           /* as processes see it */
    gid_t gid;
    enum isolation isolation;
};

/* Make the folders of sandbox `id` below `state_dir`. */
int sandbox_home_new(struct sandbox_home **out_home, const struct host_tools *tools, const char *state_dir,
                     const char *id, enum isolation isolation, const char *user, struct err *err);
/* Remove the folders (all processes must be dead); the rest stays readable. */
void sandbox_home_remove(const struct sandbox_home *home);
/* Remove the folders and free.  NULL is fine. */
void sandbox_home_free(struct sandbox_home *home);

/* Programs of ours that a sandbox gets; real paths on the host. */
struct own_programs { const char *keeper; bool keeper_is_in_background; const char *puppet /* NULL: none */; };

/* The keeper's command line and environment. */
void sandbox_home_command(const struct sandbox_home *home, const struct host_tools *tools,
                          const struct own_programs *programs, const struct sandbox_spec *spec,
                          struct string_list *argv, struct string_list *env);

/* Who is `run_as` (NULL: the default user)?  Fills request flags, uid, gid and the user's name and home.
   ERR_NOT_FOUND for an unknown name, ERR_INVALID for a bad number. */
struct run_as { uint32_t flags, uid, gid; char name[64]; char home[256]; };
int sandbox_home_run_as(const struct sandbox_home *home, const char *run_as, struct run_as *out, struct err *err);

/* The base environment of a process; the caller's own entries come after it and win. */
void sandbox_home_env(const struct sandbox_home *home, const struct host_tools *tools, const struct run_as *who,
                      struct string_list *env);

/* Remove a tree, also folders without permissions; symbolic links are not followed. (statedir.c) */
void remove_tree(const char *path);

#endif
