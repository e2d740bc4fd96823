/* Judges events by the conditions of a subscription; must never take what it cannot read for what does not match. */
#include "filter.h"

#include <ctype.h>
#include <jansson.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "failure.h"
#include "lenient.h"
#include "text.h"

typedef enum place_kind { PLACE_TYPE, PLACE_KEY, PLACE_HEADER, PLACE_VALUE } place_kind;

typedef struct condition {
    place_kind place;
    char *name; /* of a header, or the path of a field */
    pbus_test test;
    char *text;
    regex_t pattern;
    bool has_pattern;
} condition;

struct filter {
    condition *conditions;
    size_t n;
    bool all; /* none were given: every event */
};

/* What a condition looks at. */
typedef struct operand {
    bool present, empty;
    const char *data; /* NULL: a list or an object, which equals and matches nothing */
    size_t size;
    const json_t *json; /* of a field */
    char number[32];
} operand;

const char *filter_test_name(pbus_test test)
{
    static const char *const names[] = {"equals", "matches", "present", "absent", "empty", "blank", "value"};
    return (unsigned)test < sizeof names / sizeof names[0] ? names[test] : NULL;
}

static bool wants_text(pbus_test test)
{
    return test == PBUS_TEST_EQUALS || test == PBUS_TEST_MATCHES;
}

static bool path_is_whole(const char *path)
{
    return *path && path[0] != '.' && path[strlen(path) - 1] != '.' && !strstr(path, "..");
}

static pbus_status place_parse(const char *field, condition *c, size_t i, pbus_error *err)
{
    const char *name = NULL;
    if (field && strcmp(field, "type") == 0)
        c->place = PLACE_TYPE;
    else if (field && strcmp(field, "key") == 0)
        c->place = PLACE_KEY;
    else if (field && strncmp(field, "header:", 7) == 0 && field[7]) {
        c->place = PLACE_HEADER;
        name = field + 7;
    } else if (field && strncmp(field, "value:", 6) == 0 && path_is_whole(field + 6)) {
        c->place = PLACE_VALUE;
        name = field + 6;
    } else
        return failure(
            err, PBUS_ERROR_ARGUMENT,
            "condition %zu looks at \"%s\"; it can be type, key, header:NAME or value:PATH.TO.FIELD", i,
            field ? text_show(field, strlen(field)).text : "(NULL)");
    if (name && text_find_fault(name, strlen(name)) != SIZE_MAX)
        return failure(err, PBUS_ERROR_ARGUMENT, "condition %zu looks at \"%s\", which is not UTF-8", i,
                       text_show(field, strlen(field)).text);
    c->name = name ? strdup(name) : NULL;
    return name && !c->name ? failure(err, PBUS_ERROR_MEMORY, "no memory for a filter") : PBUS_OK;
}

/* Behind a bracket expression that is right. */
static const char *skip_bracket(const char *at)
{
    at += 1 + (at[1] == '^');
    at += *at == ']';
    for (; *at && *at != ']'; at++)
        if (at[0] == '[' && at[1] && strchr(":.=", at[1])) {
            char end[] = {at[1], ']', '\0'};
            const char *closed = strstr(at + 2, end);
            at = closed ? closed + 1 : at;
        }
    return at + (*at != '\0');
}

/* What glibc takes and POSIX does not define, and what would mean something else between anchors, in a group; NULL: nothing. */
static const char *pattern_fault(const char *at)
{
    size_t depth = 0;
    while (*at)
        if (*at == '[')
            at = skip_bracket(at);
        else if (*at == '\\') {
            if (at[1] >= '1' && at[1] <= '9')
                return "it refers back to a group";
            at += at[1] ? 2 : 1;
        } else if (*at == ')' && depth == 0)
            return "unmatched )";
        else {
            depth += *at == '(';
            depth -= *at == ')';
            at++;
        }
    return NULL;
}

static pbus_status pattern_refuse(const condition *c, size_t i, const char *why, pbus_error *err)
{
    return failure(err, PBUS_ERROR_ARGUMENT,
                   "condition %zu: \"%s\" is no POSIX extended regular expression: %s", i,
                   text_show(c->text, strlen(c->text)).text, why);
}

/* The expression has to match the whole: it is put between anchors, in a group of its own. It must be right by itself, too: "a)|(b" is
 * none, though it would be one in the group. */
static pbus_status pattern_compile(condition *c, size_t i, pbus_error *err)
{
    char why[200];
    int code = regcomp(&c->pattern, c->text, REG_EXTENDED);
    if (code == 0) {
        regfree(&c->pattern);
        const char *fault = pattern_fault(c->text);
        if (fault)
            return pattern_refuse(c, i, fault, err);
        size_t size = strlen(c->text) + 5;
        char *anchored = malloc(size);
        if (!anchored)
            return failure(err, PBUS_ERROR_MEMORY, "no memory for a filter");
        snprintf(anchored, size, "^(%s)$", c->text);
        code = regcomp(&c->pattern, anchored, REG_EXTENDED | REG_NOSUB);
        free(anchored);
    }
    c->has_pattern = code == 0;
    if (code == 0)
        return PBUS_OK;
    regerror(code, &c->pattern, why, sizeof why);
    return pattern_refuse(c, i, why, err);
}

static pbus_status condition_init(condition *c, const pbus_condition *given, size_t i, pbus_error *err)
{
    pbus_status status = place_parse(given->field, c, i, err);
    if (status != PBUS_OK)
        return status;
    const char *name = filter_test_name(given->test);
    if (!name)
        return failure(err, PBUS_ERROR_ARGUMENT, "condition %zu asks for test %d, which there is not", i,
                       (int)given->test);
    if (wants_text(given->test) != (given->text != NULL))
        return failure(err, PBUS_ERROR_ARGUMENT, "condition %zu: the test \"%s\" %s", i, name,
                       given->text ? "takes no text" : "needs a text");
    c->test = given->test;
    if (!given->text)
        return PBUS_OK;
    if (text_find_fault(given->text, strlen(given->text)) != SIZE_MAX)
        return failure(err, PBUS_ERROR_ARGUMENT, "condition %zu: \"%s\" is not UTF-8", i,
                       text_show(given->text, strlen(given->text)).text);
    c->text = strdup(given->text);
    if (!c->text)
        return failure(err, PBUS_ERROR_MEMORY, "no memory for a filter");
    return c->test == PBUS_TEST_MATCHES ? pattern_compile(c, i, err) : PBUS_OK;
}

pbus_status filter_new(const pbus_condition *conditions, size_t n, filter **out, pbus_error *err)
{
    if (!conditions && n > 0)
        return failure(err, PBUS_ERROR_ARGUMENT, "filter is NULL, and n_conditions is %zu", n);
    filter *f = calloc(1, sizeof *f);
    if (f && n > 0)
        f->conditions = calloc(n, sizeof *f->conditions);
    if (!f || (n > 0 && !f->conditions)) {
        filter_free(f);
        return failure(err, PBUS_ERROR_MEMORY, "no memory for a filter");
    }
    f->all = conditions == NULL;
    for (size_t i = 0; i < n; i++) {
        f->n = i + 1;
        pbus_status status = condition_init(&f->conditions[i], &conditions[i], i, err);
        if (status != PBUS_OK) {
            filter_free(f);
            return status;
        }
    }
    *out = f;
    return PBUS_OK;
}

void filter_free(filter *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->n; i++) {
        free(f->conditions[i].name);
        free(f->conditions[i].text);
        if (f->conditions[i].has_pattern)
            regfree(&f->conditions[i].pattern);
    }
    free(f->conditions);
    free(f);
}

static operand operand_bytes(const void *data, size_t size)
{
    return (operand){.present = data != NULL, .empty = size == 0, .data = data, .size = size};
}

static operand operand_header(const pbus_delivery *event, const char *name)
{
    for (size_t i = 0; i < event->n_headers; i++)
        if (strcmp(event->headers[i].name, name) == 0) {
            operand o = operand_bytes(event->headers[i].value, event->headers[i].value_size);
            o.present = true;
            return o;
        }
    return (operand){0};
}

/* The next part of a path: a name of an object, or an index of a list. */
static const json_t *json_step(const json_t *from, const char *part, size_t size)
{
    if (json_is_object(from))
        return json_object_getn(from, part, size);
    char digits[12];
    if (!json_is_array(from) || size == 0 || size >= sizeof digits)
        return NULL;
    memcpy(digits, part, size);
    digits[size] = '\0';
    if (strspn(digits, "0123456789") != size)
        return NULL;
    return json_array_get(from, (size_t)strtoul(digits, NULL, 10));
}

static const json_t *json_find(const json_t *from, const char *path)
{
    while (from && *path) {
        size_t size = strcspn(path, ".");
        from = json_step(from, path, size);
        path += size + (path[size] == '.');
    }
    return from;
}

static operand operand_json(const json_t *value)
{
    operand o = {.present = value != NULL, .json = value};
    if (json_is_string(value)) {
        o.data = json_string_value(value);
        o.size = json_string_length(value);
        o.empty = o.size == 0;
    } else if (json_is_number(value)) {
        o.size = (size_t)(json_is_integer(value)
                              ? snprintf(o.number, sizeof o.number, "%" JSON_INTEGER_FORMAT,
                                         json_integer_value(value))
                              : snprintf(o.number, sizeof o.number, "%.17g", json_real_value(value)));
    } else if (json_is_boolean(value)) {
        o.data = json_is_true(value) ? "true" : "false";
        o.size = strlen(o.data);
    } else
        o.empty = json_is_null(value) || json_object_size(value) + json_array_size(value) == 0;
    return o;
}

static bool is_space(const operand *o)
{
    for (size_t i = 0; i < o->size; i++)
        if (!isspace((unsigned char)o->data[i]))
            return false;
    return true;
}

static bool is_blank(const operand *o)
{
    return !o->present || o->empty || (o->data && is_space(o));
}

static bool equals_number(const operand *o, const char *text)
{
    char *end;
    if (json_is_integer(o->json))
        return strcmp(o->number, text) == 0;
    double given = strtod(text, &end);
    return end != text && *end == '\0' && given == json_real_value(o->json);
}

static bool matches(const condition *c, const char *data, size_t size)
{
    regmatch_t whole = {.rm_so = 0, .rm_eo = (regoff_t)size};
    return data && regexec(&c->pattern, data, 1, &whole, REG_STARTEND) == 0;
}

static bool holds(const condition *c, const operand *o)
{
    bool is_number = o->json && json_is_number(o->json);
    switch (c->test) {
    case PBUS_TEST_EQUALS:
        if (is_number)
            return equals_number(o, c->text);
        return o->data && o->size == strlen(c->text) && memcmp(o->data, c->text, o->size) == 0;
    case PBUS_TEST_MATCHES:
        return matches(c, is_number ? o->number : o->data, o->size);
    case PBUS_TEST_PRESENT:
        return o->present;
    case PBUS_TEST_ABSENT:
        return !o->present;
    case PBUS_TEST_EMPTY:
        return o->present && o->empty;
    case PBUS_TEST_BLANK:
        return is_blank(o);
    case PBUS_TEST_VALUE:
        return !is_blank(o);
    }
    return false;
}

static bool holds_beside_value(const condition *c, const pbus_delivery *event)
{
    operand o;
    if (c->place == PLACE_TYPE)
        o = operand_bytes(event->type, event->type ? strlen(event->type) : 0);
    else if (c->place == PLACE_KEY)
        o = operand_bytes(event->key, event->key_size);
    else
        o = operand_header(event, c->name);
    return holds(c, &o);
}

filter_match filter_ask_value(const filter *f, const pbus_delivery *event)
{
    bool no_memory;
    json_t *value = NULL;
    const char *text = event->value_json ? event->value_json : event->value;
    if (text) {
        value =
            lenient_load(text, event->value_json ? event->value_json_size : event->value_size, &no_memory);
        if (!value)
            return no_memory ? FILTER_NO_MEMORY : FILTER_UNREADABLE;
    }
    filter_match match = FILTER_YES;
    for (size_t i = 0; i < f->n && match == FILTER_YES; i++)
        if (f->conditions[i].place == PLACE_VALUE) {
            operand o = operand_json(json_find(value, f->conditions[i].name));
            match = holds(&f->conditions[i], &o) ? FILTER_YES : FILTER_NO;
        }
    json_decref(value);
    return match;
}

filter_match filter_ask_beside(const filter *f, const pbus_delivery *event)
{
    bool asks_value = false;
    if (f->n == 0)
        return f->all ? FILTER_YES : FILTER_NO;
    for (size_t i = 0; i < f->n; i++)
        if (f->conditions[i].place == PLACE_VALUE)
            asks_value = true;
        else if (!holds_beside_value(&f->conditions[i], event))
            return FILTER_NO;
    return asks_value ? FILTER_OPEN : FILTER_YES;
}

filter_match filter_ask(const filter *f, const pbus_delivery *event)
{
    filter_match match = filter_ask_beside(f, event);
    return match == FILTER_OPEN ? filter_ask_value(f, event) : match;
}
