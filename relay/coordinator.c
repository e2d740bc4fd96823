/* Makes the calls that block; must never touch a record, nor tell an outcome that it is not certain of as success. */
#include "coordinator.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "failpoint.h"
#include "gate.h"

/* A topic that is there as long as the group's offsets are: they are kept in it. Offsets of a topic that is deleted are deleted with it. */
#define POSITION_TOPIC "__consumer_offsets"
/* Initialising can be resumed; between two tries it is looked whether anybody still wants it. */
#define SLICE_MS 1000
/* The other calls cannot; the brokers end a transaction in about this time. */
#define CALL_MS 30000
#define ABORT_SLICE_MS 5000
#define POSITION_MS 10000 /* an answer that is slower than this is asked for again, and not waited for */
#define AGAIN_MS 20

struct coordinator {
    rd_kafka_t *rk;
    char *group;
    int event_fd;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool has_job, has_answer, is_over;
    bool is_orphan; /* its owner went away while a call was under way */
    coordinator_job job;
    rd_kafka_resp_err_t waits_for;
    coordinator_position position;
    coordinator_answer answer;
};

static bool is_over(coordinator *c)
{
    pthread_mutex_lock(&c->lock);
    bool over = c->is_over;
    pthread_mutex_unlock(&c->lock);
    return over;
}

static void waits(coordinator *c, rd_kafka_resp_err_t err)
{
    pthread_mutex_lock(&c->lock);
    c->waits_for = err;
    pthread_mutex_unlock(&c->lock);
}

/* Takes the error; true where there was none. */
static bool went_well(coordinator_answer *a, rd_kafka_error_t *error)
{
    if (!error)
        return true;
    a->err = rd_kafka_error_code(error);
    a->fenced = a->err == RD_KAFKA_RESP_ERR__FENCED || a->err == RD_KAFKA_RESP_ERR_PRODUCER_FENCED ||
                a->err == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH;
    snprintf(a->reason, sizeof a->reason, "%s", rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    return false;
}

static bool fail(coordinator_answer *a, rd_kafka_resp_err_t err, const char *reason)
{
    a->err = err;
    snprintf(a->reason, sizeof a->reason, "%s", reason);
    return false;
}

/* ---- the position ---- */

static rd_kafka_topic_partition_list_t *partition_list(void)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, POSITION_TOPIC, 0);
    return list;
}

/* A consumer that is asked once and joins nothing. (The same question to a producer, by librdkafka 2.0.2's ListConsumerGroupOffsets, crashed the
 * process where a coordinator had moved: it looks for the consumer's group.) */
static rd_kafka_t *new_reader(coordinator *c, coordinator_answer *a)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(rd_kafka_conf(c->rk));
    rd_kafka_t *reader = NULL;
    if (rd_kafka_conf_set(conf, "group.id", c->group, a->reason, sizeof a->reason) == RD_KAFKA_CONF_OK &&
        rd_kafka_conf_set(conf, "enable.auto.commit", "false", a->reason, sizeof a->reason) ==
            RD_KAFKA_CONF_OK &&
        /* So it is not told the position of a transaction that is decided and not yet finished. */
        rd_kafka_conf_set(conf, "isolation.level", "read_committed", a->reason, sizeof a->reason) ==
            RD_KAFKA_CONF_OK)
        reader = rd_kafka_new(RD_KAFKA_CONSUMER, conf, a->reason, sizeof a->reason);
    if (!reader)
        rd_kafka_conf_destroy(conf);
    return reader;
}

static rd_kafka_resp_err_t ask_position(rd_kafka_t *reader, coordinator_position *out)
{
    rd_kafka_topic_partition_list_t *list = partition_list();
    rd_kafka_topic_partition_t *p = &list->elems[0];
    rd_kafka_resp_err_t err = rd_kafka_committed(reader, list, POSITION_MS);
    if (!err)
        err = p->err;
    if (!err) {
        out->known = p->offset >= 0;
        out->n = p->offset;
        snprintf(out->stamp, sizeof out->stamp, "%.*s", (int)p->metadata_size,
                 p->metadata ? (const char *)p->metadata : "");
    }
    rd_kafka_topic_partition_list_destroy(list);
    return err;
}

static bool is_for_good(rd_kafka_resp_err_t err)
{
    return err == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED ||
           err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
           err == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
}

/* Who may not read the group is not told where its coordinator is: the question runs out of time, and only the consumer's own queue says why. */
static rd_kafka_resp_err_t cause_of(rd_kafka_t *reader, rd_kafka_resp_err_t err)
{
    rd_kafka_message_t *message;
    while (!is_for_good(err) && (message = rd_kafka_consumer_poll(reader, 0))) {
        err = message->err ? message->err : err;
        rd_kafka_message_destroy(message);
    }
    return err;
}

static bool read_position(coordinator *c, coordinator_answer *a)
{
    rd_kafka_resp_err_t err;
    rd_kafka_t *reader = new_reader(c, a);
    if (!reader)
        return false;
    while ((err = ask_position(reader, &a->position)) && !is_for_good(err = cause_of(reader, err)) &&
           !is_over(c)) {
        waits(c, err);
        usleep(AGAIN_MS * 1000);
    }
    rd_kafka_destroy(reader);
    return !err || fail(a, err, rd_kafka_err2str(err));
}

/* ---- the jobs ---- */

static bool initialise(coordinator *c, coordinator_answer *a)
{
    for (;;) {
        rd_kafka_error_t *error = rd_kafka_init_transactions(c->rk, SLICE_MS);
        if (!error || !rd_kafka_error_is_retriable(error) || is_over(c))
            return went_well(a, error);
        waits(c, rd_kafka_error_code(error));
        rd_kafka_error_destroy(error);
    }
}

static bool send_position(coordinator *c, coordinator_answer *a)
{
    rd_kafka_topic_partition_list_t *list = partition_list();
    rd_kafka_consumer_group_metadata_t *group = rd_kafka_consumer_group_metadata_new(c->group);
    list->elems[0].offset = c->position.n;
    list->elems[0].metadata = strdup(c->position.stamp); /* the list frees it */
    list->elems[0].metadata_size = list->elems[0].metadata ? strlen(c->position.stamp) : 0;
    bool ok = went_well(a, rd_kafka_send_offsets_to_transaction(c->rk, list, group, CALL_MS));
    rd_kafka_consumer_group_metadata_destroy(group);
    rd_kafka_topic_partition_list_destroy(list);
    return ok;
}

/* A call that ran out of time may have done its work all the same: no answer but a clean one is success. */
static bool commit(coordinator *c, coordinator_answer *a)
{
    if (!send_position(c, a))
        return false;
    failpoint("before_commit");
    if (!went_well(a, rd_kafka_commit_transaction(c->rk, CALL_MS)))
        return false;
    failpoint("after_commit");
    return true;
}

/* What a failed transaction failed of is told by a call that is out of place. */
static void ask_cause(coordinator *c, coordinator_answer *a)
{
    rd_kafka_error_t *error = rd_kafka_begin_transaction(c->rk);
    if (error && rd_kafka_error_txn_requires_abort(error))
        a->cause = rd_kafka_error_code(error);
    rd_kafka_error_destroy(error);
}

/* A transaction into which the brokers took nothing they do not know, and librdkafka 2.0.2 takes their answer for the end of the producer. */
static bool abort_transaction(coordinator *c, coordinator_answer *a)
{
    ask_cause(c, a);
    for (;;) {
        rd_kafka_error_t *error = rd_kafka_abort_transaction(c->rk, ABORT_SLICE_MS);
        if (!error || !rd_kafka_error_is_retriable(error) || is_over(c))
            return went_well(a, error);
        rd_kafka_error_destroy(error);
    }
}

static coordinator_answer work(coordinator *c)
{
    coordinator_answer a = {0};
    switch (c->job) {
    case COORDINATOR_START:
        a.ok = initialise(c, &a) && read_position(c, &a);
        break;
    case COORDINATOR_COMMIT:
        a.ok = commit(c, &a);
        break;
    case COORDINATOR_ABORT:
        a.ok = abort_transaction(c, &a);
        break;
    }
    a.ok = a.ok && went_well(&a, rd_kafka_begin_transaction(c->rk));
    return a;
}

static void free_all(coordinator *c)
{
    rd_kafka_destroy(c->rk);
    close(c->event_fd);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    free(c->group);
    free(c);
}

/* With the lock held. */
static void answer(coordinator *c)
{
    static const uint64_t one = 1;
    pthread_mutex_unlock(&c->lock);
    coordinator_answer a = work(c);
    pthread_mutex_lock(&c->lock);
    c->answer = a;
    c->has_job = false;
    c->has_answer = true;
    c->is_over |= write(c->event_fd, &one, sizeof one) < 0; /* full it never is: its reader is gone */
}

static void *run(void *arg)
{
    coordinator *c = arg;
    pthread_mutex_lock(&c->lock);
    while (!c->is_over)
        if (c->has_job)
            answer(c);
        else
            pthread_cond_wait(&c->changed, &c->lock);
    bool orphan = c->is_orphan;
    pthread_mutex_unlock(&c->lock);
    if (orphan) {
        gate *held = rd_kafka_opaque(c->rk);
        free_all(c);
        gate_release(held);
    }
    return NULL;
}

coordinator *coordinator_new(rd_kafka_t *rk, const char *group, int event_fd)
{
    coordinator *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->rk = rk;
    c->group = strdup(group);
    c->event_fd = dup(event_fd);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->changed, NULL);
    if (c->group && c->event_fd >= 0 && pthread_create(&c->thread, NULL, run, c) == 0)
        return c;
    close(c->event_fd);
    free(c->group);
    free(c);
    return NULL;
}

void coordinator_ask(coordinator *c, coordinator_job job, const coordinator_position *position)
{
    pthread_mutex_lock(&c->lock);
    c->job = job;
    if (position)
        c->position = *position;
    c->has_job = true;
    c->has_answer = false;
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

bool coordinator_answered(coordinator *c, coordinator_answer *out)
{
    pthread_mutex_lock(&c->lock);
    bool answered = c->has_answer;
    if (answered)
        *out = c->answer;
    c->has_answer = false;
    pthread_mutex_unlock(&c->lock);
    return answered;
}

rd_kafka_resp_err_t coordinator_waits_for(coordinator *c)
{
    pthread_mutex_lock(&c->lock);
    rd_kafka_resp_err_t err = c->waits_for;
    pthread_mutex_unlock(&c->lock);
    return err;
}

bool coordinator_end(coordinator *c)
{
    pthread_mutex_lock(&c->lock);
    c->is_over = true;
    bool orphan = c->is_orphan = c->has_job;
    pthread_t thread = c->thread;
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->lock);
    if (orphan) {
        pthread_detach(thread);
        return false;
    }
    pthread_join(thread, NULL);
    free_all(c);
    return true;
}
