/* Shows that the check at the end of the demonstration can fail: each fault it is there for, put into a record of a run. */
#include "cmocka_all.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct run {
    const char *committed; /* line, package, change, state */
    const char *outcomes;  /* line, how it ended, when */
    const char *received;  /* when, partition, offset, id, key, value */
} run;

#define COMMITTED "1\ta\t1\tunpacked\n2\tb\t1\tunpacked\n4\ta\t2\tinstalled\n"
#define OUTCOMES "1\tcommit\t1000\n2\tcommit\t2000\n3\trollback\t3000\n4\tcommit\t4000\n"
#define RECORD(at, partition, offset, line, package, change, state)                                          \
    at "\t" partition "\t" offset "\tid-" line "\t" package "\t{\"package\":\"" package                      \
       "\",\"change\":" change ",\"state\":\"" state "\",\"line\":" line "}\n"
#define HEADING "received_us\tpartition\toffset\tid\tkey\tvalue\n"
#define A1 RECORD("1500", "0", "0", "1", "a", "1", "unpacked")
#define B1 RECORD("2500", "1", "0", "2", "b", "1", "unpacked")
#define A2 RECORD("4500", "0", "1", "4", "a", "2", "installed")

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* The exit code; what it printed is in output. */
static int check(const run *r, char *output, size_t output_size)
{
    char directory[] = "/tmp/package_check.XXXXXX", command[512];
    assert_non_null(mkdtemp(directory));
    assert_int_equal(chdir(directory), 0);
    write_file("committed", r->committed);
    write_file("outcomes", r->outcomes);
    write_file("received", r->received);
    snprintf(command, sizeof command, "%s committed outcomes received 2>&1", PACKAGE_CHECK);
    FILE *program = popen(command, "r");
    assert_non_null(program);
    output[fread(output, 1, output_size - 1, program)] = '\0';
    int status = pclose(program);
    assert_int_equal(remove("committed") | remove("outcomes") | remove("received"), 0);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(rmdir(directory), 0);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void passes(const char *received, const char *said)
{
    char output[4096];
    int code = check(&(run){COMMITTED, OUTCOMES, received}, output, sizeof output);
    assert_int_equal(code, 0);
    assert_null(strstr(output, "FAILED"));
    assert_non_null(strstr(output, said));
}

static void fails(const run *r, const char *sentence)
{
    char output[4096];
    int code = check(r, output, sizeof output);
    assert_int_equal(code, 1);
    if (!strstr(output, sentence))
        fail_msg("\"%s\" is not in: %s", sentence, output);
}

static void all_changes_in_order_pass(void **state)
{
    (void)state;
    passes(HEADING A1 B1 A2, "every committed change arrived (3 of 3)");
}

static void another_order_of_different_packages_passes(void **state)
{
    (void)state;
    passes(HEADING B1 A1 A2, "each package's changes came in order (2 of 2)");
}

static void a_repeated_record_passes_and_is_mentioned(void **state)
{
    (void)state;
    passes(HEADING A1 B1 A2 A1, "1 records came again");
}

static void a_lost_change_fails(void **state)
{
    (void)state;
    fails(&(run){COMMITTED, OUTCOMES, HEADING A1 B1},
          "FAILED  every committed change arrived: 1 are missing");
}

static void two_changes_of_a_package_in_the_wrong_order_fail(void **state)
{
    (void)state;
    fails(&(run){COMMITTED, OUTCOMES, HEADING A2 B1 A1},
          "FAILED  each package's changes came in order: 1 packages");
}

static void a_package_in_two_partitions_fails(void **state)
{
    (void)state;
    const char *other = RECORD("4500", "1", "1", "4", "a", "2", "installed");
    char received[1024];
    snprintf(received, sizeof received, "%s%s", HEADING A1 B1, other);
    fails(&(run){COMMITTED, OUTCOMES, received}, "FAILED  each package's changes came in order");
}

static void a_change_that_was_rolled_back_fails(void **state)
{
    (void)state;
    const char *ghost = RECORD("3500", "0", "1", "3", "a", "2", "installed");
    char received[1024];
    snprintf(received, sizeof received, "%s%s%s", HEADING A1 B1, ghost, A2);
    fails(&(run){COMMITTED, OUTCOMES, received}, "FAILED  none arrived that was rolled back: 1 records");
}

static void a_record_that_says_something_else_fails(void **state)
{
    (void)state;
    const char *altered = RECORD("4500", "0", "1", "4", "a", "2", "purged");
    char received[1024];
    snprintf(received, sizeof received, "%s%s", HEADING A1 B1, altered);
    fails(&(run){COMMITTED, OUTCOMES, received}, "have no such change in the table");
}

static void a_commit_that_the_table_lacks_fails(void **state)
{
    (void)state;
    fails(&(run){COMMITTED, OUTCOMES "5\tcommit\t5000\n", HEADING A1 B1 A2},
          "FAILED  what the application committed");
}

static void a_row_that_nobody_committed_fails(void **state)
{
    (void)state;
    const char *third = RECORD("5500", "0", "2", "5", "a", "3", "purged");
    char received[1024];
    snprintf(received, sizeof received, "%s%s", HEADING A1 B1 A2, third);
    fails(&(run){COMMITTED "5\ta\t3\tpurged\n", OUTCOMES, received},
          "FAILED  what the application committed");
}

static void a_run_without_any_change_fails(void **state)
{
    (void)state;
    fails(&(run){"", "", HEADING}, "FAILED  every committed change arrived");
}

static void a_line_that_is_cut_short_fails(void **state)
{
    (void)state;
    fails(&(run){COMMITTED, OUTCOMES, HEADING A1 B1 "4500\t0\t1\n"}, "this line was not understood");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_changes_in_order_pass),
        cmocka_unit_test(another_order_of_different_packages_passes),
        cmocka_unit_test(a_repeated_record_passes_and_is_mentioned),
        cmocka_unit_test(a_lost_change_fails),
        cmocka_unit_test(two_changes_of_a_package_in_the_wrong_order_fail),
        cmocka_unit_test(a_package_in_two_partitions_fails),
        cmocka_unit_test(a_change_that_was_rolled_back_fails),
        cmocka_unit_test(a_record_that_says_something_else_fails),
        cmocka_unit_test(a_commit_that_the_table_lacks_fails),
        cmocka_unit_test(a_row_that_nobody_committed_fails),
        cmocka_unit_test(a_run_without_any_change_fails),
        cmocka_unit_test(a_line_that_is_cut_short_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
