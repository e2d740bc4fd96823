/* Avro's names: what is one, how it becomes a full one, and which were defined. */
#ifndef POSTBUS_SCHEMA_NAMES_H
#define POSTBUS_SCHEMA_NAMES_H

#include "type.h"

/* A letter or underscore, then letters, digits and underscores; ASCII. */
bool name_is_simple(const char *name, size_t size);
/* Simple names joined by dots. */
bool name_is_full(const char *name);
/* What stands behind the last dot. */
const char *name_short(const char *full);
/* The namespace of a full name as a copy, "" for none; NULL without memory. */
const char *name_space(arena *a, const char *full);
/* A name as a full one: with dots as it is, else within the namespace; NULL without memory. */
const char *name_join(arena *a, const char *space, const char *name);
/* TYPE_N_PRIMITIVE where the word is none of theirs. */
type_kind name_primitive(const char *word);

#endif
