/* postbus schema check: reads schemas from files and judges them; never touches a database. */
#include "schema.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* At most one byte more than a schema may have: the library then says that it is too large. */
static char *read_file(const char *path, size_t *out_size)
{
    FILE *file = fopen(path, "rb");
    char *text = file ? malloc(PBUS_SCHEMA_MAX_BYTES + 1) : NULL;
    if (text) {
        *out_size = fread(text, 1, PBUS_SCHEMA_MAX_BYTES + 1, file);
        if (ferror(file)) {
            free(text);
            text = NULL;
        }
    }
    int why = errno;
    if (file)
        fclose(file);
    errno = why;
    return text;
}

pbus_schema *schema_of_file(const call *c, const char *path)
{
    size_t size = 0;
    pbus_schema *schema = NULL;
    pbus_error err;
    char *text = read_file(path, &size);
    if (!text) {
        fault(c, "%s cannot be read: %s", path, strerror(errno));
        return NULL;
    }
    if (pbus_schema_parse(text, size, NULL, 0, &schema, &err) != PBUS_OK)
        fault(c, "%s: %s", path, err.message);
    free(text);
    return schema;
}

static void print_incompatibility(const pbus_incompatibility *one, const char *earlier)
{
    printf("%s: %s (%s)\n", one->path, one->reason, earlier);
    printf("    %s\n", one->new_reads_earlier ? "the new schema cannot read what this one wrote"
                                              : "this one cannot read what the new schema writes");
}

/* What is compatible by Avro's rules, and wrong all the same. */
static int warn_of_meaning(const call *c, const pbus_schema *schema, pbus_schema *const *earlier,
                           const char *const *names, size_t n_earlier, pbus_compatibility mode)
{
    pbus_incompatibilities list = {0};
    pbus_error err;
    if (pbus_schema_compare_meaning(schema, (const pbus_schema *const *)earlier, n_earlier, mode, &list,
                                    &err) != PBUS_OK)
        return fault(c, "%s", err.message);
    for (size_t i = 0; i < list.n_items; i++) {
        const pbus_incompatibility *one = &list.items[i];
        fprintf(stderr, "warning: %s: %s (%s %s)\n", one->path, one->reason,
                one->new_reads_earlier ? "what was written by" : "by", names[one->earlier]);
    }
    pbus_incompatibilities_done(&list);
    return EXIT_OK;
}

int schema_judge(const call *c, const pbus_schema *schema, pbus_schema *const *earlier,
                 const char *const *names, size_t n_earlier, pbus_compatibility mode)
{
    pbus_incompatibilities list = {0};
    pbus_error err;
    pbus_status status =
        pbus_schema_compare(schema, (const pbus_schema *const *)earlier, n_earlier, mode, &list, &err);
    for (size_t i = 0; i < list.n_items; i++)
        print_incompatibility(&list.items[i], names[list.items[i].earlier]);
    pbus_incompatibilities_done(&list);
    if (status == PBUS_OK)
        return warn_of_meaning(c, schema, earlier, names, n_earlier, mode);
    if (status != PBUS_ERROR_INCOMPATIBLE)
        return fault(c, "%s", err.message);
    fflush(stdout);
    fault(c, "the schema is not compatible, by the mode %s", pbus_compatibility_name(mode));
    return EXIT_FINDINGS;
}

static int check(const call *c, pbus_schema **schemas, size_t n)
{
    pbus_compatibility mode = PBUS_COMPATIBILITY_BACKWARD;
    const char *name = call_text(c, "compatibility");
    if (name && pbus_compatibility_parse(name, &mode, NULL) != PBUS_OK)
        return EXIT_USAGE;
    for (size_t i = 0; i < n; i++)
        if (!(schemas[i] = schema_of_file(c, c->words[1 + i])))
            return EXIT_FAULT;
    int code = schema_judge(c, schemas[0], schemas + 1, (const char *const *)c->words + 2, n - 1, mode);
    if (code != EXIT_OK)
        return code;
    printf("%s is good: %s, fingerprint %016llx", c->words[1], pbus_schema_name(schemas[0]),
           (unsigned long long)pbus_schema_fingerprint(schemas[0]));
    if (n > 1)
        printf("; compatible, by the mode %s", pbus_compatibility_name(mode));
    putchar('\n');
    return EXIT_OK;
}

int schema_check_files(const call *c)
{
    size_t n = c->n_words - 1;
    pbus_schema **schemas = calloc(n, sizeof(pbus_schema *));
    int code = schemas ? check(c, schemas, n) : fault(c, "no memory for %zu schemas", n);
    for (size_t i = 0; schemas && i < n; i++)
        pbus_schema_free(schemas[i]);
    free(schemas);
    return code;
}
