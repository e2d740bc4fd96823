/* Keeps what the checks found and prints it; never decides what is a fault. */
#include "doctor.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

const char *const doctor_level_names[DOCTOR_N_LEVELS] = {"ok", "skipped", "warning", "error"};

static char *copy_of(const char *text)
{
    return text ? strdup(text) : NULL;
}

void doctor_report_add(doctor_report *report, const doctor_check *check, doctor_level level,
                       const char *found, const char *why, const char *remedy)
{
    report->counts[level]++;
    if (report->n == report->capacity) {
        size_t capacity = report->capacity ? 2 * report->capacity : 32;
        doctor_finding *grown = realloc(report->findings, capacity * sizeof *grown);
        if (!grown)
            return;
        report->findings = grown;
        report->capacity = capacity;
    }
    report->findings[report->n++] =
        (doctor_finding){check, level, copy_of(found), copy_of(why), copy_of(remedy)};
}

void doctor_tell(doctor_report *report, const char *check, doctor_level level, const char *format, ...)
{
    char *found = NULL;
    va_list ap;
    va_start(ap, format);
    if (vasprintf(&found, format, ap) < 0)
        found = NULL;
    va_end(ap);
    doctor_report_add(report, doctor_check_find(check), level, found, NULL, NULL);
    free(found);
}

void doctor_report_done(doctor_report *report)
{
    for (size_t i = 0; i < report->n; i++) {
        free(report->findings[i].found);
        free(report->findings[i].why);
        free(report->findings[i].remedy);
    }
    free(report->findings);
    *report = (doctor_report){0};
}

static const char *why_of(const doctor_finding *f)
{
    return f->why ? f->why : f->check->why;
}

static const char *remedy_of(const doctor_finding *f)
{
    return f->remedy ? f->remedy : f->check->remedy;
}

void doctor_report_print(const doctor_report *report, FILE *to)
{
    for (size_t i = 0; i < report->n; i++) {
        const doctor_finding *f = &report->findings[i];
        fprintf(to, "%-8s %-22s %s\n", doctor_level_names[f->level], f->check->name,
                f->found ? f->found : "");
        if (f->level >= DOCTOR_WARNING)
            fprintf(to, "         why: %s\n         remedy: %s\n", why_of(f), remedy_of(f));
    }
    fprintf(to, "errors: %zu, warnings: %zu, skipped: %zu\n", report->counts[DOCTOR_ERROR],
            report->counts[DOCTOR_WARNING], report->counts[DOCTOR_SKIPPED]);
}

static json_t *finding_json(const doctor_finding *f)
{
    json_t *one = json_pack("{s:s, s:s, s:s*}", "check", f->check->name, "level",
                            doctor_level_names[f->level], "found", f->found);
    if (one && f->level >= DOCTOR_WARNING) {
        json_object_set_new(one, "why", json_string(why_of(f)));
        json_object_set_new(one, "remedy", json_string(remedy_of(f)));
    }
    return one;
}

void doctor_report_print_json(const doctor_report *report, FILE *to)
{
    json_t *findings = json_array();
    for (size_t i = 0; i < report->n; i++)
        json_array_append_new(findings, finding_json(&report->findings[i]));
    json_t *all = json_pack("{s:I, s:I, s:I, s:o}", "errors", (json_int_t)report->counts[DOCTOR_ERROR],
                            "warnings", (json_int_t)report->counts[DOCTOR_WARNING], "skipped",
                            (json_int_t)report->counts[DOCTOR_SKIPPED], "findings", findings);
    json_dumpf(all, to, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    fputc('\n', to);
    json_decref(all);
}
