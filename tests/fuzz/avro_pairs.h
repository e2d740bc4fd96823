/* Pairs of schemas, a writer's and a reader's, that between them have every type and every rule of resolution. */
#ifndef TESTS_FUZZ_AVRO_PAIRS_H
#define TESTS_FUZZ_AVRO_PAIRS_H

#define PAIR_EVERY                                                                                           \
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":["                                                       \
    "{\"name\":\"n\",\"type\":\"null\"},{\"name\":\"o\",\"type\":\"boolean\"},{\"name\":\"i\",\"type\":"     \
    "\"int\"},"                                                                                              \
    "{\"name\":\"l\",\"type\":\"long\"},{\"name\":\"f\",\"type\":\"float\"},{\"name\":\"d\",\"type\":"       \
    "\"double\"},"                                                                                           \
    "{\"name\":\"y\",\"type\":\"bytes\"},{\"name\":\"s\",\"type\":\"string\"},"                              \
    "{\"name\":\"x\",\"type\":{\"type\":\"fixed\",\"name\":\"F\",\"size\":2}},"                              \
    "{\"name\":\"e\",\"type\":{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"B\"]}},"                \
    "{\"name\":\"r\",\"type\":{\"type\":\"array\",\"items\":[\"null\",\"int\",\"string\"]}},"                \
    "{\"name\":\"m\",\"type\":{\"type\":\"map\",\"values\":\"F\"}},{\"name\":\"next\",\"type\":[\"null\","   \
    "\"R\"]}]}"
#define PAIR_OTHER                                                                                           \
    "{\"type\":\"record\",\"name\":\"Q\",\"aliases\":[\"R\"],\"fields\":["                                   \
    "{\"name\":\"next\",\"type\":[\"Q\",\"null\"]},{\"name\":\"new\",\"type\":{\"type\":\"array\","          \
    "\"items\":\"double\"},"                                                                                 \
    "\"default\":[1]},{\"name\":\"i\",\"type\":\"double\"},{\"name\":\"text\",\"aliases\":[\"y\"],\"type\":" \
    "[\"null\",\"string\"]},"                                                                                \
    "{\"name\":\"e\",\"type\":{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"Z\"],\"default\":\"Z\"}},"    \
    "{\"name\":\"r\",\"type\":{\"type\":\"array\",\"items\":[\"string\",\"long\"]}}]}"
#define PAIR_LOGICAL                                                                                         \
    "[{\"type\":\"int\",\"logicalType\":\"date\"},{\"type\":\"long\",\"logicalType\":\"timestamp-micros\"}," \
    "{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":40,\"scale\":7},"                         \
    "{\"type\":\"fixed\",\"name\":\"D\",\"size\":12,\"logicalType\":\"duration\"},"                          \
    "{\"type\":\"fixed\",\"name\":\"U\",\"size\":16,\"logicalType\":\"uuid\"},{\"type\":\"string\","         \
    "\"logicalType\":\"uuid\"},\"double\"]"

static const char *const avro_pairs[][2] = {
    {PAIR_EVERY, PAIR_EVERY},
    {PAIR_EVERY, PAIR_OTHER},
    {PAIR_LOGICAL, PAIR_LOGICAL},
    {"{\"type\":\"array\",\"items\":{\"type\":\"array\",\"items\":\"null\"}}",
     "{\"type\":\"array\",\"items\":{\"type\":\"array\",\"items\":\"null\"}}"},
    {"{\"type\":\"map\",\"values\":[\"null\",\"bytes\"]}",
     "{\"type\":\"map\",\"values\":[\"string\",\"null\"]}"},
    {"{\"type\":\"record\",\"name\":\"W\",\"fields\":[{\"name\":\"big\",\"type\":" PAIR_EVERY
     "},{\"name\":\"end\",\"type\":\"long\"}]}",
     "{\"type\":\"record\",\"name\":\"W\",\"fields\":[{\"name\":\"end\",\"type\":\"float\"}]}"},
};
#define AVRO_N_PAIRS (sizeof avro_pairs / sizeof *avro_pairs)

#endif
