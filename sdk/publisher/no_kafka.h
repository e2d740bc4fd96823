/* Read before each source of the publisher: a Kafka header, or a use of one, does not compile here. */
#pragma GCC poison rd_kafka_s rd_kafka_t rd_kafka_version rd_kafka_resp_err_t
