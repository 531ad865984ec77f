#include "spawned.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <cjson/cJSON.h>

#define PATIENCE_MS 10000

void spawned_start(struct spawned *spawned, const char *const *argv)
{
    int in[2], out[2];
    posix_spawn_file_actions_t actions;
    assert_non_null(argv[0]);
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    assert_int_equal(posix_spawn(&spawned->pid, argv[0], &actions, NULL, (char **) (uintptr_t) argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    spawned->in = fdopen(in[1], "w");
    spawned->out = fdopen(out[0], "r");
    setvbuf(spawned->out, NULL, _IONBF, 0); /* so that poll tells the truth */
}

static bool can_read(FILE *file)
{
    struct pollfd fd = { fileno(file), POLLIN, 0 };
    return poll(&fd, 1, PATIENCE_MS) > 0;
}

char *spawned_read_line(struct spawned *spawned)
{
    char *line = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&line, &size);
    int c = EOF;
    while (can_read(spawned->out) && (c = getc(spawned->out)) != EOF && c != '\n')
        putc(c, to);
    fclose(to);
    if (c == '\n')
        return line;
    free(line);
    return NULL;
}

void spawned_write_line(struct spawned *spawned, const char *line)
{
    fputs(line, spawned->in);
    putc('\n', spawned->in);
    fflush(spawned->in);
}

void spawned_close_in(struct spawned *spawned)
{
    if (spawned->in != NULL)
        fclose(spawned->in);
    spawned->in = NULL;
}

int spawned_wait(struct spawned *spawned)
{
    int status = 0;
    spawned_close_in(spawned);
    waitpid(spawned->pid, &status, 0);
    fclose(spawned->out);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int spawned_end(struct spawned *spawned)
{
    kill(spawned->pid, SIGTERM);
    return spawned_wait(spawned);
}

char *spawned_server(struct spawned *spawned)
{
    const char *const argv[] = { getenv("STANDBOX_MOCKSERVER"), "--http", "127.0.0.1:0", "--max-streams", "64",
                                 NULL };
    spawned_start(spawned, argv);
    char *line = spawned_read_line(spawned);
    assert_non_null(line);
    cJSON *ready = cJSON_Parse(line);
    assert_non_null(ready);
    char *url = strdup(cJSON_GetObjectItem(ready, "http")->valuestring);
    cJSON_Delete(ready);
    free(line);
    return url;
}
