#include "scripted.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sbc_text.h"

#define REQUESTS 4096
#define RULES    64

struct rule {
    char *begin, *bytes;
    size_t size;
    int left; /* -1: for ever */
    enum scripted_end end;
};

struct scripted {
    int listener, stop[2];
    char url[64];
    pthread_t acceptor;
    pthread_mutex_t lock; /* of what follows */
    struct rule rules[RULES];
    size_t rule_count;
    char *requests[REQUESTS];
    size_t request_count;
    pthread_t connections[REQUESTS];
    size_t connection_count;
};

struct connection {
    struct scripted *server;
    int fd;
};

/* ------------------------------------------------------------------ serve */

static bool wait_for(struct scripted *server, int fd)
{
    struct pollfd fds[2] = { { fd, POLLIN, 0 }, { server->stop[0], POLLIN, 0 } };
    return poll(fds, 2, -1) > 0 && fds[1].revents == 0;
}

static size_t body_size(const char *request)
{
    const char *at = strcasestr(request, "\r\ncontent-length:");
    return at == NULL ? 0 : (size_t) strtoul(at + 17, NULL, 10);
}

/* A whole request; false: there is none. */
static bool read_request(struct connection *connection, struct sbc_buf *in)
{
    for (;;) {
        const char *end = in->data == NULL ? NULL : strstr(in->data, "\r\n\r\n");
        if (end != NULL && in->size >= (size_t) (end + 4 - in->data) + body_size(in->data))
            return true;
        char chunk[4096];
        ssize_t got = wait_for(connection->server, connection->fd) ? read(connection->fd, chunk, sizeof chunk) : 0;
        if (got <= 0)
            return false;
        sbc_buf_add(in, chunk, (size_t) got);
    }
}

/* A copy of the rule for it, which counts as used; the request is kept. */
static struct rule choose_rule(struct scripted *server, const char *request)
{
    static char none[] = "HTTP/1.1 599 No Rule\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    struct rule chosen = { NULL, none, sizeof none - 1, -1, SCRIPTED_CLOSE };
    pthread_mutex_lock(&server->lock);
    if (server->request_count < REQUESTS)
        server->requests[server->request_count++] = sbc_text_copy(request);
    for (size_t i = 0; i < server->rule_count; i++) {
        struct rule *rule = &server->rules[i];
        if (rule->left == 0 || strncmp(request, rule->begin, strlen(rule->begin)) != 0)
            continue;
        rule->left -= rule->left > 0;
        chosen = *rule;
        break;
    }
    pthread_mutex_unlock(&server->lock);
    return chosen;
}

static void send_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        data += sent;
        size -= (size_t) sent;
    }
}

static void end_connection(struct connection *connection, enum scripted_end end)
{
    struct linger reset = { 1, 0 };
    char byte;
    if (end == SCRIPTED_HOLD && wait_for(connection->server, connection->fd))
        (void) !read(connection->fd, &byte, 1);
    if (end == SCRIPTED_RESET)
        setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(connection->fd);
}

static void *serve(void *arg)
{
    struct connection *connection = arg;
    struct sbc_buf in = { 0 };
    if (read_request(connection, &in)) {
        struct rule rule = choose_rule(connection->server, in.data);
        send_all(connection->fd, rule.bytes, rule.size);
        end_connection(connection, rule.end);
    } else {
        close(connection->fd);
    }
    sbc_buf_free(&in);
    free(connection);
    return NULL;
}

static void *accept_all(void *arg)
{
    struct scripted *server = arg;
    while (wait_for(server, server->listener)) {
        struct connection *connection = sbc_alloc(1, sizeof *connection);
        *connection = (struct connection){ server, accept(server->listener, NULL, NULL) };
        if (connection->fd < 0 || server->connection_count == REQUESTS ||
            pthread_create(&server->connections[server->connection_count], NULL, serve, connection) != 0) {
            free(connection);
            continue;
        }
        server->connection_count++;
    }
    return NULL;
}

/* ----------------------------------------------------------- start and stop */

struct scripted *scripted_start(void)
{
    struct scripted *server = sbc_alloc(1, sizeof *server);
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server->listener < 0 || bind(server->listener, (struct sockaddr *) &address, size) < 0 ||
        listen(server->listener, 64) < 0 || getsockname(server->listener, (struct sockaddr *) &address, &size) < 0 ||
        pipe(server->stop) < 0)
        abort();
    snprintf(server->url, sizeof server->url, "http://127.0.0.1:%d", ntohs(address.sin_port));
    pthread_mutex_init(&server->lock, NULL);
    if (pthread_create(&server->acceptor, NULL, accept_all, server) != 0)
        abort();
    return server;
}

void scripted_stop(struct scripted *server)
{
    if (server == NULL)
        return;
    close(server->stop[1]);
    pthread_join(server->acceptor, NULL);
    for (size_t i = 0; i < server->connection_count; i++)
        pthread_join(server->connections[i], NULL);
    close(server->listener);
    close(server->stop[0]);
    for (size_t i = 0; i < server->rule_count; i++) {
        free(server->rules[i].begin);
        free(server->rules[i].bytes);
    }
    for (size_t i = 0; i < server->request_count; i++)
        free(server->requests[i]);
    pthread_mutex_destroy(&server->lock);
    free(server);
}

const char *scripted_url(const struct scripted *server)
{
    return server->url;
}

/* ------------------------------------------------------------------- rules */

void scripted_answer(struct scripted *server, const char *begin, int times, const char *bytes, size_t size,
                     enum scripted_end end)
{
    pthread_mutex_lock(&server->lock);
    if (server->rule_count == RULES)
        abort();
    server->rules[server->rule_count++] =
        (struct rule){ sbc_text_copy(begin), sbc_text_copy_bytes(bytes, size), size, times > 0 ? times : -1, end };
    pthread_mutex_unlock(&server->lock);
}

void scripted_forget(struct scripted *server, const char *begin)
{
    pthread_mutex_lock(&server->lock);
    for (size_t i = 0; i < server->rule_count; i++)
        if (strcmp(server->rules[i].begin, begin) == 0)
            server->rules[i].left = 0;
    pthread_mutex_unlock(&server->lock);
}

void scripted_json(struct scripted *server, const char *begin, int times, int status, const char *body)
{
    char *bytes = sbc_text_format("HTTP/1.1 %d Scripted\r\nContent-Type: application/json\r\nX-Request-Id: req_7\r\n"
                                  "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
                                  status, strlen(body), body);
    scripted_answer(server, begin, times, bytes, strlen(bytes), SCRIPTED_CLOSE);
    free(bytes);
}

void scripted_events(struct scripted *server, const char *begin, int times, const char *events, enum scripted_end end)
{
    char *bytes = sbc_text_format("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
                                  "Connection: close\r\n\r\n%s",
                                  events);
    scripted_answer(server, begin, times, bytes, strlen(bytes), end);
    free(bytes);
}

void scripted_box(struct scripted *server)
{
    static const char form[] = "{\"id\":\"box\",\"status\":\"active\",\"runtime\":{\"baseUrl\":\"%s/sandbox/box\"},"
                               "\"token\":\"%s\",\"tokenExpiresAt\":null}";
    char *created = sbc_text_format(form, server->url, "t1"), *fetched = sbc_text_format(form, server->url, "t2");
    scripted_json(server, "POST /api/sandbox ", 0, 200, created);
    scripted_json(server, "GET /api/sandbox/box ", 0, 200, fetched);
    free(created);
    free(fetched);
}

/* ---------------------------------------------------------------- requests */

const char *scripted_request(struct scripted *server, size_t index)
{
    pthread_mutex_lock(&server->lock);
    const char *request = index < server->request_count ? server->requests[index] : NULL;
    pthread_mutex_unlock(&server->lock);
    return request;
}

int scripted_count(struct scripted *server, const char *begin)
{
    int count = 0;
    pthread_mutex_lock(&server->lock);
    for (size_t i = 0; i < server->request_count; i++)
        count += strncmp(server->requests[i], begin, strlen(begin)) == 0;
    pthread_mutex_unlock(&server->lock);
    return count;
}
