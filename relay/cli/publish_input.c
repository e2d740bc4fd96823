/* Reads the flags that one event and many lines are both published with; never touches a database. */
#include "publish_input.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

bool publish_input_headers(const call *c, char **out_json)
{
    json_t *headers = json_object();
    bool ok = headers != NULL;
    for (size_t i = 0; ok && i < c->n_given; i++) {
        if (strcmp(c->given[i].option->name, "header") != 0)
            continue;
        char *name = c->given[i].value, *equals = strchr(name, '=');
        ok = equals && equals != name;
        if (!ok) {
            misuse(c, "--header is \"%s\"; write --header NAME=VALUE", name);
            break;
        }
        *equals = '\0';
        ok = !json_object_get(headers, name);
        if (!ok)
            misuse(c, "the header \"%s\" is given twice; give each header once", name);
        else if (json_object_set_new(headers, name, json_string(equals + 1)) != 0) {
            misuse(c, "the header \"%s\" is not UTF-8 text; headers are text", name);
            ok = false;
        }
        *equals = '=';
    }
    *out_json = ok && json_object_size(headers) > 0 ? json_dumps(headers, JSON_COMPACT) : NULL;
    json_decref(headers);
    return ok;
}

FILE *publish_input_open(const call *c, const char *path)
{
    if (strcmp(path, "-") == 0)
        return stdin;
    FILE *file = fopen(path, "re");
    if (!file)
        fault(c, "the file %s cannot be opened: %s", path, strerror(errno));
    return file;
}
