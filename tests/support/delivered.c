#include "delivered.h"

#include "cmocka_all.h"

#include <stdatomic.h>

static _Atomic(rd_kafka_resp_err_t) refused; /* why the last record that was refused was */

static void report(rd_kafka_t *rk, const rd_kafka_message_t *record, void *opaque)
{
    (void)rk, (void)opaque;
    if (record->err)
        atomic_store(&refused, record->err);
}

void delivered_watch(rd_kafka_conf_t *conf)
{
    rd_kafka_conf_set_dr_msg_cb(conf, report);
}

void delivered_all(rd_kafka_t *producer, int within_ms)
{
    assert_int_equal(rd_kafka_flush(producer, within_ms), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_resp_err_t error = atomic_exchange(&refused, RD_KAFKA_RESP_ERR_NO_ERROR);
    if (error)
        fail_msg("a record is not delivered: %s", rd_kafka_err2str(error));
}
