/* Reads what the doctor printed; never asks the server what is wrong with it. */
#include "examined.h"

#include <jansson.h>
#include <string.h>

enum { MOST_WORDS = 20 };

static json_t *findings;

void examine(int exit_code, const char *const *words)
{
    const char *argv[MOST_WORDS] = {POSTBUS_BINARY, "doctor", "--json"};
    for (size_t n = 3; *words; words++) {
        assert_true(n + 1 < MOST_WORDS);
        argv[n++] = *words;
    }
    stage_expect(exit_code, stage_run(argv));
    static json_t *all;
    json_decref(all);
    all = json_loads(stage_said, 0, NULL);
    if (!all)
        fail_msg("no JSON: %s", stage_said);
    findings = json_object_get(all, "findings");
}

static const char *text_of(const json_t *finding, const char *name)
{
    const char *text = json_string_value(json_object_get(finding, name));
    return text ? text : "";
}

static bool is_told_in_full(const json_t *finding, const char *level)
{
    return strcmp(level, "ok") == 0 || strcmp(level, "skipped") == 0 ||
           (text_of(finding, "why")[0] && text_of(finding, "remedy")[0]);
}

void expect_finding(const char *check, const char *level, const char *part)
{
    for (size_t i = 0; i < json_array_size(findings); i++) {
        const json_t *f = json_array_get(findings, i);
        if (strcmp(text_of(f, "check"), check) == 0 && strcmp(text_of(f, "level"), level) == 0 &&
            strstr(text_of(f, "found"), part) && is_told_in_full(f, level))
            return;
    }
    fail_msg("no %s of %s with \"%s\" in %s", level, check, part, stage_said);
}

void expect_no_fault(void)
{
    stage_does_not_say("\"error\"");
    stage_does_not_say("\"warning\"");
}
