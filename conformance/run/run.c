#include "run/run.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <cjson/cJSON.h>

#include "base/buf.h"

struct item {
    cJSON *record;
    bool is_done;
};

struct worker {
    struct run *run;
    pthread_t thread;
    struct session *session;
    char name[12];
};

struct run {
    const struct run_plan *plan;
    struct item *items;
    size_t count;
    pthread_mutex_t lock;      /* over all below, and the items */
    pthread_cond_t done;
    size_t next, done_count;
    bool is_stopped;
    struct worker *workers;
    unsigned worker_count;     /* that run */
};

size_t run_plan_count(const struct run_plan *plan)
{
    return plan->pairs != NULL ? plan->pair_count : plan->client_count * plan->case_count;
}

struct run_pair run_plan_item(const struct run_plan *plan, size_t item)
{
    return plan->pairs != NULL ? plan->pairs[item]
                               : (struct run_pair) { item / plan->case_count, item % plan->case_count };
}

/* ---- a worker ---------------------------------------------------------------------------- */

/* False when there is nothing left to do. */
static bool take_item(struct run *run, size_t *out_item)
{
    pthread_mutex_lock(&run->lock);
    bool has = run->next < run->count && !run->is_stopped;
    if (has)
        *out_item = run->next++;
    pthread_mutex_unlock(&run->lock);
    return has;
}

static void put_item(struct run *run, size_t item, cJSON *record)
{
    pthread_mutex_lock(&run->lock);
    run->items[item] = (struct item) { record, true };
    run->done_count++;
    pthread_cond_broadcast(&run->done);
    pthread_mutex_unlock(&run->lock);
}

static cJSON *do_item(struct worker *w, size_t item)
{
    const struct run_plan *plan = w->run->plan;
    struct run_pair pair = run_plan_item(plan, item);
    const struct run_client *client = &plan->clients[pair.client];
    const struct case_def *def = plan->cases[pair.row];
    struct judgement judgement = { 0 };
    struct err err = ERR_INIT;
    BUF_AUTO rerun = BUF_INIT;
    if (client->rerun != NULL)
        buf_printf(&rerun, "%s '%s'", client->rerun, def->id);
    session_use(w->session, &client->how);
    if (session_run(w->session, def, client->key, rerun.len > 0 ? buf_cstr(&rerun) : NULL, &judgement, &err) != 0)
        return NULL;
    cJSON *record = judgement.record;
    judgement.record = NULL;
    judgement_fini(&judgement);
    if (plan->finish != NULL && plan->finish(plan->arg, record, &err) != 0) {
        cJSON_Delete(record);
        return NULL;
    }
    return record;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    size_t item;
    while (take_item(w->run, &item))
        put_item(w->run, item, do_item(w, item));
    session_free(w->session);   /* on this thread: its adapter is a child of this thread */
    w->session = NULL;
    return NULL;
}

/* ---- a run ------------------------------------------------------------------------------- */

static int start_worker(struct run *run, struct session *session, struct err *err)
{
    struct worker *w = &run->workers[run->worker_count];
    *w = (struct worker) { .run = run, .session = session };
    snprintf(w->name, sizeof w->name, "w%u", run->worker_count);
    if (session == NULL && session_new(&w->session, run->plan->server, w->name, err) != 0)
        return -1;
    int rc = pthread_create(&w->thread, NULL, work, w);
    if (rc != 0) {
        if (session == NULL)
            session_free(w->session);
        return err_set(err, ERR_IO, rc, "starting a worker");
    }
    run->worker_count++;
    return 0;
}

static int start_workers(struct run *run, struct session *first, struct err *err)
{
    size_t wanted = run->plan->jobs < run->count ? run->plan->jobs : run->count;
    for (size_t i = 0; i < wanted; i++) {
        if (start_worker(run, i == 0 ? first : NULL, err) != 0)
            return -1;
    }
    return 0;
}

int run_start(struct run **out_run, const struct run_plan *plan, struct session *first, struct err *err)
{
    struct run *run = calloc(1, sizeof *run);
    size_t count = run_plan_count(plan);
    if (run == NULL)
        return err_set(err, ERR_NOMEM, 0, "run");
    *run = (struct run) { .plan = plan, .count = count, .lock = PTHREAD_MUTEX_INITIALIZER,
                          .done = PTHREAD_COND_INITIALIZER, .items = calloc(count + 1, sizeof *run->items),
                          .workers = calloc((size_t) plan->jobs + 1, sizeof *run->workers) };
    if (run->items == NULL || run->workers == NULL) {
        run_free(run);
        return err_set(err, ERR_NOMEM, 0, "run");
    }
    if (start_workers(run, first, err) != 0) {
        if (run->worker_count == 0)
            session_free(first);
        run_free(run);
        return -1;
    }
    if (run->worker_count == 0)
        session_free(first);   /* nothing to do */
    *out_run = run;
    return 0;
}

size_t run_count(const struct run *run)
{
    return run->count;
}

size_t run_done(const struct run *run)
{
    struct run *locked = (struct run *) run;
    pthread_mutex_lock(&locked->lock);
    size_t done = run->done_count;
    pthread_mutex_unlock(&locked->lock);
    return done;
}

const cJSON *run_await(struct run *run, size_t item)
{
    CHECK(item < run->count);
    pthread_mutex_lock(&run->lock);
    while (!run->items[item].is_done)
        pthread_cond_wait(&run->done, &run->lock);
    const cJSON *record = run->items[item].record;
    pthread_mutex_unlock(&run->lock);
    return record;
}

cJSON *run_take_results(struct run *run)
{
    cJSON *results = cJSON_CreateArray();
    for (size_t i = 0; i < run->count; i++) {
        CHECK(run->items[i].is_done);
        if (run->items[i].record != NULL)
            cJSON_AddItemToArray(results, run->items[i].record);
        run->items[i].record = NULL;
    }
    return results;
}

void run_free(struct run *run)
{
    if (run == NULL)
        return;
    pthread_mutex_lock(&run->lock);
    run->is_stopped = true;
    pthread_mutex_unlock(&run->lock);
    for (unsigned i = 0; i < run->worker_count; i++)
        pthread_join(run->workers[i].thread, NULL);
    for (size_t i = 0; run->items != NULL && i < run->count; i++)
        cJSON_Delete(run->items[i].record);
    pthread_cond_destroy(&run->done);
    pthread_mutex_destroy(&run->lock);
    free(run->items);
    free(run->workers);
    free(run);
}
