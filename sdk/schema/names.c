/* Judges and joins names; must never take one that another implementation of Avro would refuse. */
#include "names.h"

#include <string.h>

static bool name_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool name_is_simple(const char *name, size_t size)
{
    if (size == 0 || !name_letter(name[0]))
        return false;
    for (size_t i = 1; i < size; i++)
        if (!name_letter(name[i]) && !(name[i] >= '0' && name[i] <= '9'))
            return false;
    return true;
}

bool name_is_full(const char *name)
{
    for (const char *dot; (dot = strchr(name, '.')) != NULL; name = dot + 1)
        if (!name_is_simple(name, (size_t)(dot - name)))
            return false;
    return name_is_simple(name, strlen(name));
}

const char *name_short(const char *full)
{
    const char *dot = strrchr(full, '.');
    return dot ? dot + 1 : full;
}

const char *name_space(arena *a, const char *full)
{
    const char *dot = strrchr(full, '.');
    return arena_copy(a, full, dot ? (size_t)(dot - full) : 0);
}

const char *name_join(arena *a, const char *space, const char *name)
{
    size_t space_size = strlen(space), size = strlen(name);
    if (strchr(name, '.') || space_size == 0)
        return arena_copy(a, name, size);
    char *full = arena_alloc(a, space_size + 1 + size + 1, 1);
    if (!full)
        return NULL;
    memcpy(full, space, space_size);
    full[space_size] = '.';
    memcpy(full + space_size + 1, name, size);
    return full;
}

type_kind name_primitive(const char *word)
{
    int kind = 0;
    while (kind < TYPE_N_PRIMITIVE && strcmp(type_word((type_kind)kind), word) != 0)
        kind++;
    return (type_kind)kind;
}
