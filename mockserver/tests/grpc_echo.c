/*
 * The methods of support/grpc_site.h as a program, so that clients in other languages can be tried on the transport.
 *
 * Prints its address ("http://127.0.0.1:PORT") and then obeys lines on its standard input, each answered by "ok":
 *     arm FAULT      calls meet this fault from now on; FAULT as in a scenario: "fault": "GOAWAY"
 *     disarm         ... and no more
 *     release        let /t.Echo/Wait go on
 * It ends with its input.
 */
#include <stdio.h>
#include <string.h>

#include "tests/support/grpc_site.h"

static int obey(const char *line, struct err *err)
{
    if (strncmp(line, "arm ", 4) == 0)
        return grpc_site_arm(&grpc_site, NULL, line + 4, err);
    if (strcmp(line, "disarm") == 0)
        grpc_site_disarm(&grpc_site);
    else if (strcmp(line, "release") == 0)
        grpc_site_release(&grpc_site);
    else
        return err_set(err, ERR_INVALID, 0, "unknown order: %s", line);
    return 0;
}

int main(void)
{
    struct err err = ERR_INIT;
    char line[1000];
    if (grpc_site_start(&grpc_site, NULL, &err) < 0) {
        fprintf(stderr, "grpc-echo: %s\n", err.text);
        return 1;
    }
    puts(grpc_server_url(grpc_site.server));
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        puts(obey(line, &err) == 0 ? "ok" : err.text);
        fflush(stdout);
    }
    grpc_site_stop(&grpc_site);
    return 0;
}
