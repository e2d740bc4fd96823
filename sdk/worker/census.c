/* Asks the database and the brokers how much there is to do; must never be waited for by who handles events or by who scrapes. */
#include "census.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bytes.h"
#include "failure.h"
#include "kafka.h"
#include "postbus_sql.h"

/* EVERY_MS, and SHARE times as long as it took: a count of millions is not made without a pause. WANTED_MS: longer than anyone's pause between two scrapes. */
enum {
    EVERY_MS = 5000,
    WANTED_MS = 300000,
    SHARE = 10,
    STATEMENT_MS = 30000,
    END_MS = 1000,
    MOST_SILENT = 3,
    CANCEL_MS = 100,
    CANCEL_TRIES = 20
};

bool census_init(census *c, const worker_config *cfg, feed *feeds, size_t n_feeds)
{
    *c = (census){.cfg = cfg, .feeds = feeds, .n_feeds = n_feeds, .socket = -1};
    pthread_mutex_init(&c->lock, NULL);
    c->answers = calloc(n_feeds + 1, sizeof *c->answers);
    c->ask_from = calloc(n_feeds + 1, sizeof *c->ask_from);
    return feed_cond_init(&c->changed) && c->answers && c->ask_from;
}

/* ---- the database ---- */

static void census_close(census *c)
{
    pthread_mutex_lock(&c->lock);
    cancel_leave(c->cancel);
    c->cancel = NULL;
    if (c->socket >= 0)
        close(c->socket);
    c->socket = -1;
    pthread_mutex_unlock(&c->lock);
    session_close(&c->session);
}

static pbus_status census_open(census *c, pbus_error *err)
{
    if (c->session.conn)
        return PBUS_OK;
    pbus_status status = session_connect(&c->session, c->cfg->conninfo, err);
    if (status != PBUS_OK)
        return status;
    /* Before anything is asked: whoever is silent from now on can be left. */
    pthread_mutex_lock(&c->lock);
    c->cancel = cancel_new(c->session.conn);
    c->socket = fcntl(PQsocket(c->session.conn), F_DUPFD_CLOEXEC, 0);
    bool can_be_left = c->socket >= 0;
    pthread_mutex_unlock(&c->lock);
    if (!can_be_left)
        return failure(err, PBUS_ERROR_CONNECTION, "no descriptor for a connection");
    return session_configure(&c->session, feed_session_name(&c->feeds[0], "census").text, STATEMENT_MS, err);
}

/* The next answer comes after the pause that census_run makes, and may take as long. */
static int64_t fresh_ms(int64_t took_ms)
{
    return took_ms * (SHARE + 2) > CENSUS_FRESH_MS ? took_ms * (SHARE + 2) : CENSUS_FRESH_MS;
}

static void note_answer(census *c, const PGresult *rows, int row, int64_t asked_at_ms)
{
    int64_t now_ms = feed_now_ms();
    for (size_t i = 0; i < c->n_feeds; i++)
        if (c->feeds[i].id == atoi(PQgetvalue(rows, row, 0)))
            c->answers[i] = (census_answer){.known_at_ms = now_ms,
                                            .known_until_ms = now_ms + fresh_ms(now_ms - asked_at_ms),
                                            .waiting_events = strtod(PQgetvalue(rows, row, 1), NULL),
                                            .waiting_oldest_age_s = strtod(PQgetvalue(rows, row, 2), NULL),
                                            .dead_letters = strtod(PQgetvalue(rows, row, 3), NULL),
                                            .members = strtod(PQgetvalue(rows, row, 4), NULL)};
}

/* The subscriptions' numbers as an array; false: no memory. */
static bool put_ids(const census *c, bytes *to)
{
    for (size_t i = 0; i < c->n_feeds; i++) {
        char id[16];
        int n = snprintf(id, sizeof id, "%c%d", i ? ',' : '{', c->feeds[i].id);
        bytes_put(to, id, (size_t)n);
    }
    bytes_put(to, "}", 2);
    return !to->failed;
}

static void ask_database(census *c)
{
    pbus_error ignored; /* the reader and the lanes tell of a database that is away */
    int64_t asked_at_ms = feed_now_ms();
    bytes ids = {0};
    PGresult *rows = NULL;
    if (!c->cfg->conninfo)
        return; /* a worker without one */
    pbus_status status = put_ids(c, &ids) ? census_open(c, &ignored) : PBUS_ERROR_MEMORY;
    if (status == PBUS_OK) {
        const char *value = (const char *)ids.data;
        const statement one = {.sql = subscriber_sql_query("census"), .n_params = 1, .values = &value};
        status = session_run(&c->session, &one, 1, &rows, &ignored);
    }
    if (status == PBUS_OK) {
        pthread_mutex_lock(&c->lock);
        for (int row = 0; row < PQntuples(rows); row++)
            note_answer(c, rows, row, asked_at_ms);
        pthread_mutex_unlock(&c->lock);
    } else {
        census_close(c);
    }
    PQclear(rows);
    bytes_done(&ids);
}

/* ---- the brokers ---- */

typedef struct question {
    rd_kafka_t *rk;
    const char *topic;
    int32_t partition;
    uint64_t generation;
} question;

static size_t n_partitions(feed *f)
{
    pthread_mutex_lock(&f->lock);
    size_t n = f->n_windows;
    pthread_mutex_unlock(&f->lock);
    return n;
}

/* The consumer is borrowed until `answer`. false: there is no such partition, or no consumer, or the end has come. */
static bool question_of(feed *f, size_t i, question *out)
{
    pthread_mutex_lock(&f->lock);
    bool is = f->rk && !f->stopping && i < f->n_windows;
    if (is) {
        *out = (question){f->rk, f->windows[i].topic, f->windows[i].partition, f->generation};
        f->n_asking++;
    }
    pthread_mutex_unlock(&f->lock);
    return is;
}

static void answer(feed *f, size_t i, const question *q, int64_t end)
{
    pthread_mutex_lock(&f->lock);
    if (end >= 0 && f->generation == q->generation && i < f->n_windows)
        window_note_end(&f->windows[i], end, feed_now_ms());
    f->n_asking--;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static bool census_is_stopping(census *c)
{
    pthread_mutex_lock(&c->lock);
    bool stopping = c->stopping;
    pthread_mutex_unlock(&c->lock);
    return stopping;
}

/* Of a partition without a leader nobody answers: after some of that kind the rest is left to the next round, which begins behind them. */
static void ask_brokers(census *c, feed *f, size_t *from)
{
    question q;
    int n_silent = 0;
    for (size_t k = 0, n = n_partitions(f); k < n && !census_is_stopping(c); k++) {
        int64_t end;
        size_t i = (*from + k) % n;
        if (!question_of(f, i, &q))
            return;
        if (kafka_offset(q.rk, q.topic, q.partition, RD_KAFKA_OFFSET_END, END_MS, &end) !=
            RD_KAFKA_RESP_ERR_NO_ERROR)
            end = -1;
        answer(f, i, &q, end);
        if (end < 0 && ++n_silent == MOST_SILENT) {
            *from = i + 1;
            return;
        }
    }
    *from = 0;
}

/* ---- the thread ---- */

static bool is_wanted(const census *c, int64_t now_ms)
{
    return c->wanted_at_ms != 0 && now_ms - c->wanted_at_ms < WANTED_MS;
}

/* Waits until it is to ask, no sooner than at that time; false: the end. A session that nobody needs is closed meanwhile. */
static bool wait_for_want(census *c, int64_t not_before_ms)
{
    struct timespec until = {.tv_sec = not_before_ms / 1000, .tv_nsec = not_before_ms % 1000 * 1000000};
    pthread_mutex_lock(&c->lock);
    while (!c->stopping) {
        int64_t now_ms = feed_now_ms();
        bool wanted = is_wanted(c, now_ms);
        if (wanted && now_ms >= not_before_ms)
            break;
        if (wanted) {
            pthread_cond_timedwait(&c->changed, &c->lock, &until);
        } else if (c->session.conn) {
            pthread_mutex_unlock(&c->lock);
            census_close(c);
            pthread_mutex_lock(&c->lock);
        } else {
            pthread_cond_wait(&c->changed, &c->lock);
        }
    }
    bool stopping = c->stopping;
    pthread_mutex_unlock(&c->lock);
    return !stopping;
}

static void *census_run(void *arg)
{
    census *c = arg;
    int64_t next_ms = 0;
    while (wait_for_want(c, next_ms)) {
        int64_t began_ms = feed_now_ms();
        ask_database(c);
        int64_t took_ms = feed_now_ms() - began_ms;
        for (size_t i = 0; i < c->n_feeds; i++)
            ask_brokers(c, &c->feeds[i], &c->ask_from[i]);
        next_ms = feed_now_ms() + (took_ms * SHARE > EVERY_MS ? took_ms * SHARE : EVERY_MS);
    }
    census_close(c);
    pthread_mutex_lock(&c->lock);
    c->ended = true;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

void census_want(census *c)
{
    pthread_mutex_lock(&c->lock);
    if (!c->started && !c->stopping)
        c->started = pthread_create(&c->thread, NULL, census_run, c) == 0;
    c->wanted_at_ms = feed_now_ms();
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

census_answer census_read(census *c, size_t i)
{
    pthread_mutex_lock(&c->lock);
    census_answer known = c->answers[i];
    pthread_mutex_unlock(&c->lock);
    return known;
}

void census_stop(census *c)
{
    if (!c->feeds)
        return;
    pthread_mutex_lock(&c->lock);
    c->stopping = true;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

/* A cancel that is there before its query is takes no effect, so it is sent several times; then whoever answers neither the query nor that is left. */
static void end_query(census *c, int n_tries)
{
    pthread_mutex_lock(&c->lock);
    if (n_tries < CANCEL_TRIES)
        cancel_send(c->cancel);
    else if (c->socket >= 0)
        shutdown(c->socket, SHUT_RDWR);
    pthread_mutex_unlock(&c->lock);
}

/* Whether the thread ends within a moment. */
static bool ends_soon(census *c)
{
    int64_t until_ms = feed_now_ms() + CANCEL_MS;
    struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};
    pthread_mutex_lock(&c->lock);
    while (!c->ended && feed_now_ms() < until_ms)
        pthread_cond_timedwait(&c->changed, &c->lock, &until);
    bool ended = c->ended;
    pthread_mutex_unlock(&c->lock);
    return ended;
}

void census_done(census *c)
{
    if (!c->feeds)
        return; /* it was never there */
    census_stop(c);
    if (c->started) {
        for (int n_tries = 0; !ends_soon(c); n_tries++)
            end_query(c, n_tries);
        pthread_join(c->thread, NULL);
    }
    free(c->answers);
    free(c->ask_from);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
}
