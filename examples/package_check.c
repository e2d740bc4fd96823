/* Compares what package_watch received with what package_log committed, and says in four lines whether the promises held; it
 * never talks to a server, so that nothing but the two records decides. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

typedef struct committed_change { /* a row of package_change */
    long line, change;
    char package[128], state[64];
    long long commit_us;            /* when the application asked for COMMIT; 0: it never did */
    long n_arrivals, first_arrival; /* first_arrival counts the records received, from 0 */
    int partition;
    long long received_us;
} committed_change;

typedef struct received_record {
    long long received_us;
    int partition;
    const char *key;
    json_t *value;
} received_record;

typedef struct package_check {
    committed_change *changes;
    size_t n_changes;
    long n_rolled_back;                               /* transactions that the application rolled back */
    long n_received, n_repeated, n_ghosts, n_altered; /* records */
    long n_unrecorded; /* commits that the table does not have, or rows that nobody committed */
} package_check;

typedef bool line_cb(package_check *check, char *line);

static bool read_lines(package_check *check, const char *path, line_cb *take)
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t size = 0;
    bool ok = file != NULL;
    while (ok && getline(&line, &size, file) >= 0) {
        line[strcspn(line, "\n")] = '\0';
        if (!(ok = take(check, line)))
            fprintf(stderr, "package_check: %s: this line was not understood: %.100s\n", path, line);
    }
    free(line);
    if (!file)
        perror(path);
    else
        fclose(file);
    return ok;
}

static int by_line(const void *a, const void *b)
{
    const committed_change *x = a, *y = b;
    return (x->line > y->line) - (x->line < y->line);
}

static int by_package_and_change(const void *a, const void *b)
{
    const committed_change *x = a, *y = b;
    int order = strcmp(x->package, y->package);
    return order ? order : (x->change > y->change) - (x->change < y->change);
}

static int by_size(const void *a, const void *b)
{
    const long long *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static committed_change *find(const package_check *check, long line)
{
    if (check->n_changes == 0)
        return NULL;
    committed_change wanted = {.line = line};
    return bsearch(&wanted, check->changes, check->n_changes, sizeof wanted, by_line);
}

/* line, package, change, state: as psql's \copy writes the table package_change. */
static bool take_committed(package_check *check, char *line)
{
    committed_change *grown = realloc(check->changes, (check->n_changes + 1) * sizeof *grown);
    if (!grown)
        return false;
    check->changes = grown;
    committed_change *change = &grown[check->n_changes++];
    *change = (committed_change){0};
    return sscanf(line, "%ld\t%127[^\t]\t%ld\t%63[^\t]", &change->line, change->package, &change->change,
                  change->state) == 4;
}

static bool take_outcome(package_check *check, char *line)
{
    long number;
    char outcome[16];
    long long at_us;
    if (sscanf(line, "%ld\t%15s\t%lld", &number, outcome, &at_us) != 3)
        return false;
    if (strcmp(outcome, "rollback") == 0) {
        check->n_rolled_back++;
        return true;
    }
    committed_change *change = find(check, number);
    if (change)
        change->commit_us = at_us;
    else
        check->n_unrecorded++;
    return true;
}

/* What the record says must be what the table says. */
static bool is_same(const committed_change *change, const received_record *record)
{
    const char *package = json_string_value(json_object_get(record->value, "package"));
    const char *state = json_string_value(json_object_get(record->value, "state"));
    return package && state && strcmp(record->key, change->package) == 0 &&
           strcmp(package, change->package) == 0 && strcmp(state, change->state) == 0 &&
           json_integer_value(json_object_get(record->value, "change")) == change->change;
}

static void match(package_check *check, const received_record *record)
{
    committed_change *change = find(check, (long)json_integer_value(json_object_get(record->value, "line")));
    long arrival = check->n_received++;
    if (!change) {
        check->n_ghosts++;
    } else if (!is_same(change, record)) {
        check->n_altered++;
    } else if (change->n_arrivals++ > 0) {
        check->n_repeated++;
    } else {
        change->first_arrival = arrival;
        change->partition = record->partition;
        change->received_us = record->received_us;
    }
}

/* received_us, partition, offset, id, key, value: as package_watch --record writes them. */
static bool take_received(package_check *check, char *line)
{
    if (strncmp(line, "received_us", 11) == 0)
        return true;
    char *field[6] = {0};
    for (int i = 0; i < 6; i++)
        if (!(field[i] = strsep(&line, "\t")))
            return false;
    received_record record = {.received_us = strtoll(field[0], NULL, 10),
                              .partition = atoi(field[1]),
                              .key = field[4],
                              .value = json_loads(field[5], 0, NULL)};
    if (!record.value)
        return false;
    match(check, &record);
    json_decref(record.value);
    return true;
}

static bool say(bool held, const char *sentence, long n, long of, const char *fault, long n_faults)
{
    if (held)
        printf("    ok      %s (%ld of %ld)\n", sentence, n, of);
    else
        printf("    FAILED  %s: %ld %s (%ld of %ld)\n", sentence, n_faults, fault, n, of);
    return held;
}

/* Counts the packages, and those of which a change arrived before an earlier one or in another partition. Sorts the changes. */
static void count_packages(package_check *check, long *n_packages, long *n_misordered)
{
    if (check->n_changes > 0)
        qsort(check->changes, check->n_changes, sizeof *check->changes, by_package_and_change);
    *n_packages = *n_misordered = 0;
    const committed_change *last = NULL; /* the change of the same package that arrived before */
    bool counted = false;
    for (size_t i = 0; i < check->n_changes; i++) {
        const committed_change *change = &check->changes[i];
        if (i == 0 || strcmp(change->package, change[-1].package) != 0) {
            ++*n_packages;
            last = NULL;
            counted = false;
        }
        if (change->n_arrivals == 0)
            continue;
        bool wrong =
            last && (change->first_arrival < last->first_arrival || change->partition != last->partition);
        if (wrong && !counted) {
            ++*n_misordered;
            counted = true;
        }
        last = change;
    }
}

static bool judge(package_check *check)
{
    long n_arrived = 0, n_packages, n_misordered, n_changes = (long)check->n_changes;
    for (size_t i = 0; i < check->n_changes; i++) {
        n_arrived += check->changes[i].n_arrivals > 0;
        check->n_unrecorded += check->changes[i].commit_us == 0;
    }
    count_packages(check, &n_packages, &n_misordered);
    bool held = say(check->n_unrecorded == 0, "what the application committed is in its table",
                    n_changes - check->n_unrecorded, n_changes, "are not in both", check->n_unrecorded);
    held &= say(n_arrived == n_changes && n_changes > 0, "every committed change arrived", n_arrived,
                n_changes, "are missing", n_changes - n_arrived);
    held &= say(check->n_ghosts + check->n_altered == 0, "none arrived that was rolled back", check->n_ghosts,
                check->n_rolled_back, "records have no such change in the table",
                check->n_ghosts + check->n_altered);
    held &= say(n_misordered == 0, "each package's changes came in order", n_packages - n_misordered,
                n_packages, "packages were misordered", n_misordered);
    if (check->n_repeated > 0)
        printf("    note    %ld records came again, with the same id\n", check->n_repeated);
    return held;
}

static void print_figures(const package_check *check)
{
    long long *latency_us = calloc(check->n_changes + 1, sizeof *latency_us);
    long long first_us = 0, last_us = 0;
    size_t n = 0;
    for (size_t i = 0; latency_us && i < check->n_changes; i++) {
        const committed_change *change = &check->changes[i];
        if (change->n_arrivals == 0 || change->commit_us == 0)
            continue;
        latency_us[n++] = change->received_us - change->commit_us;
        if (first_us == 0 || change->commit_us < first_us)
            first_us = change->commit_us;
        if (change->received_us > last_us)
            last_us = change->received_us;
    }
    if (n > 0) {
        qsort(latency_us, n, sizeof *latency_us, by_size);
        printf("\n    latency     from COMMIT to the subscriber: p50 %.1f ms, p99 %.1f ms\n",
               (double)latency_us[n / 2] / 1e3, (double)latency_us[n * 99 / 100] / 1e3);
        printf("    throughput  %.0f transactions a second, one connection, from the first COMMIT to the "
               "last record\n",
               (double)n * 1e6 / (double)(last_us - first_us + 1));
    }
    free(latency_us);
}

int main(int argc, char **argv)
{
    package_check check = {0};
    if (argc != 4) {
        fputs("usage: package_check COMMITTED OUTCOMES RECEIVED\n", stderr);
        return 2;
    }
    bool ok = read_lines(&check, argv[1], take_committed);
    if (check.n_changes > 0)
        qsort(check.changes, check.n_changes, sizeof *check.changes, by_line);
    ok = ok && read_lines(&check, argv[2], take_outcome) && read_lines(&check, argv[3], take_received);
    bool held = ok && judge(&check);
    if (ok)
        print_figures(&check);
    free(check.changes);
    return held ? 0 : 1;
}
