/* Writes paths; must never follow one without a bound, nor show bytes that are not printable. */
#include "place.h"

#include <stdio.h>
#include <string.h>

#include "text.h"

#define PLACE_SHOWN_FRAMES 16

static int place_put(char *out, size_t size, const place *at, int first)
{
    const char *bytes = at->name ? at->name : "";
    text_shown name = text_show(bytes, at->kind == PLACE_KEY ? at->size : strlen(bytes));
    switch (at->kind) {
    case PLACE_FIELD:
        return snprintf(out, size, "%s%s", first ? "" : ".", name.text);
    case PLACE_ITEM:
        return snprintf(out, size, "[%zu]", at->index);
    case PLACE_KEY:
        return snprintf(out, size, "[\"%s\"]", name.text);
    case PLACE_ANY:
        return snprintf(out, size, "[*]");
    case PLACE_BRANCH:
        return snprintf(out, size, "|%s", name.text);
    }
    return 0;
}

place_text place_show(const place *at)
{
    place_text shown = {"the value"};
    const place *frames[PLACE_SHOWN_FRAMES];
    size_t n = 0;
    if (!at)
        return shown;
    for (; at && n < PLACE_SHOWN_FRAMES; at = at->up)
        frames[n++] = at;
    size_t used = 0;
    if (at)
        used = (size_t)snprintf(shown.text, sizeof shown.text, "...");
    for (int first = !at; n > 0 && used < sizeof shown.text; first = 0) {
        int more = place_put(shown.text + used, sizeof shown.text - used, frames[--n], first);
        used += more > 0 ? (size_t)more : 0;
    }
    return shown;
}
