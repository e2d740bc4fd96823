/* Where in a value or a schema something stands: a path, kept as frames on the stack and written when it is needed. */
#ifndef POSTBUS_SCHEMA_PLACE_H
#define POSTBUS_SCHEMA_PLACE_H

#include <stddef.h>

typedef enum place_kind {
    PLACE_FIELD,  /* name, NUL-terminated: size is not looked at */
    PLACE_ITEM,   /* index */
    PLACE_KEY,    /* name, size */
    PLACE_ANY,    /* any item or key */
    PLACE_BRANCH, /* of a union; name, NUL-terminated */
} place_kind;

typedef struct place {
    const struct place *up; /* NULL: right beneath the whole */
    place_kind kind;
    const char *name;
    size_t size; /* of a key, which may hold any bytes */
    size_t index;
} place;

typedef struct place_text {
    char text[400];
} place_text;

/* "lines[3].price"; "the value" for NULL. Of a long path the end is shown. */
place_text place_show(const place *at);

#endif
