/* pbus_registry: ids and schemas of a registry, asked for once; what it refuses, and what becomes of callers while it is away. */
#include "cmocka_all.h"

#include <curl/curl.h>
#include <postbus/registry.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "avro_subject.h"
#include "proc_fixture.h"
#include "registry_fixture.h"
#include "wait_until.h"

enum { SOON_MS = 120000 };

#define R(fields) "{\"type\":\"record\",\"name\":\"R\",\"fields\":[" fields "]}"
#define A "{\"name\":\"a\",\"type\":\"int\"}"
#define B "{\"name\":\"b\",\"type\":\"string\"}"
#define B_DEFAULT "{\"name\":\"b\",\"type\":\"string\",\"default\":\"\"}"

static registry_fixture *server;

static pbus_registry *client_of(pbus_registry_options options)
{
    pbus_registry *registry = NULL;
    pbus_error err;
    if (pbus_registry_new(&options, &registry, &err) != PBUS_OK)
        fail_msg("%s", err.message);
    return registry;
}

static pbus_registry *client(void)
{
    pbus_registry_options options = PBUS_REGISTRY_OPTIONS_INIT;
    options.url = registry_fixture_url(server);
    options.timeout_ms = SOON_MS;
    return client_of(options);
}

/* "UNKNOWN_SCHEMA: …", with whether to try again before it; "" where it was done. */
static const char *outcome(pbus_status status, const pbus_error *err)
{
    static char said[PBUS_ERROR_MESSAGE_SIZE + 100];
    if (status == PBUS_OK)
        return "";
    assert_int_equal(status, err->status);
    snprintf(said, sizeof said, "%s%s: %s", err->retriable ? "later " : "",
             pbus_status_name(status) + strlen("PBUS_ERROR_"), err->message);
    return said;
}

static void expect(const char *said, const char *begins, const char *has)
{
    if (strncmp(said, begins, strlen(begins)) != 0 || !strstr(said, has))
        fail_msg("\"%s\" is not \"%s…%s\"", said, begins, has);
}

/* The id, or -1 with what is said in *out_said. */
static int32_t put(pbus_registry *registry, const char *subject, const char *text, const char **out_said)
{
    pbus_schema *schema = avro_schema(text);
    pbus_error err;
    int32_t id = -1;
    *out_said = outcome(pbus_registry_register(registry, subject, schema, &id, &err), &err);
    pbus_schema_free(schema);
    return id;
}

static const char *find(pbus_registry *registry, const char *subject, const char *text, int32_t *out_id)
{
    pbus_schema *schema = avro_schema(text);
    pbus_error err;
    const char *said = outcome(pbus_registry_find(registry, subject, schema, out_id, &err), &err);
    pbus_schema_free(schema);
    return said;
}

static const char *check(pbus_registry *registry, const char *subject, const char *text)
{
    pbus_schema *schema = avro_schema(text);
    pbus_error err;
    const char *said = outcome(pbus_registry_check(registry, subject, schema, &err), &err);
    pbus_schema_free(schema);
    return said;
}

static const char *get(pbus_registry *registry, int32_t id, pbus_schema **out)
{
    pbus_error err;
    *out = NULL;
    return outcome(pbus_registry_schema(registry, id, out, &err), &err);
}

static void what_was_registered_is_found_by_schema_and_by_id_and_asked_for_once(void **state)
{
    (void)state;
    pbus_registry *one = client(), *other = client();
    const char *said;
    int32_t found = -1;
    int32_t id = put(one, "a/b value", R(A), &said);
    assert_string_equal(said, "");
    assert_int_equal(put(one, "a/b value", R(A), &said), id);
    assert_int_equal(put(other, "a/b value", R(A), &said), id);
    assert_int_equal(registry_fixture_asked(server, "POST /subjects/a%2Fb%20value/versions"), 2);
    assert_string_equal(find(other, "a/b value", R(A), &found), "");
    assert_int_equal(found, id);
    pbus_registry *reader = client();
    assert_string_equal(find(reader, "a/b value", R(A), &found), "");
    assert_int_equal(found, id);
    char request[60];
    snprintf(request, sizeof request, "GET /schemas/ids/%d", (int)id);
    for (int i = 0; i < 3; i++) {
        pbus_schema *schema;
        assert_string_equal(get(reader, id, &schema), "");
        assert_string_equal(pbus_schema_text(schema, NULL), R(A));
        pbus_schema_free(schema);
    }
    assert_int_equal(registry_fixture_asked(server, request), 1);
    pbus_registry_free(reader);
    pbus_registry_free(other);
    pbus_registry_free(one);
}

/* Two calls on end, unless the machine makes a pause of a second between them. */
static bool asks_once_for_what_is_unknown(void *registry)
{
    pbus_schema *schema;
    int before = registry_fixture_asked(server, "GET /schemas/ids/7");
    for (int i = 0; i < 2; i++)
        expect(get(registry, 7, &schema), "UNKNOWN_SCHEMA: ", " 40403: Schema 7 not found");
    return registry_fixture_asked(server, "GET /schemas/ids/7") - before < 2;
}

static void what_the_registry_refuses_is_told_in_its_words(void **state)
{
    (void)state;
    pbus_registry *registry = client();
    const char *said;
    int32_t found = -7;
    put(registry, "refused-value", R(A), &said);
    assert_string_equal(said, "");
    expect(find(registry, "refused-value", R(B), &found), "UNKNOWN_SCHEMA: ", " 40403: Schema not found");
    expect(find(registry, "nowhere-value", R(A), &found),
           "UNKNOWN_SCHEMA: ", " 40401: Subject 'nowhere-value' not found");
    assert_int_equal(found, -7);
    assert_int_equal(put(registry, "refused-value", R(A "," B), &said), -1);
    expect(said, "INCOMPATIBLE: ", "READER_FIELD_MISSING_DEFAULT_VALUE at /fields/b");
    expect(check(registry, "refused-value", R(A "," B)),
           "INCOMPATIBLE: ", "READER_FIELD_MISSING_DEFAULT_VALUE");
    assert_string_equal(check(registry, "refused-value", R(A "," B_DEFAULT)), "");
    assert_string_equal(check(registry, "new-value", R(A "," B)), "");
    assert_true(wait_until(asks_once_for_what_is_unknown, registry, SOON_MS));
    /* As one that has it by now. */
    assert_int_equal(
        registry_fixture_send(server, "PUT", "/config/refused-value", "{\"compatibility\":\"NONE\"}"), 200);
    assert_true(put(registry, "refused-value", R(A "," B), &said) > 0);
    registry_fixture_fault(server, 422);
    put(registry, "other-value", R(A), &said);
    registry_fixture_fault(server, 0);
    expect(said, "AVRO_SCHEMA: ", "42201");
    pbus_registry_free(registry);
}

static void a_schema_of_several_parts_is_put_together(void **state)
{
    (void)state;
    static const char whole[] =
        "{\"schema\": "
        "\"{\\\"type\\\":\\\"record\\\",\\\"name\\\":\\\"Order\\\",\\\"fields\\\":[{\\\"name\\\":\\\"m\\\","
        "\\\"type\\\":\\\"Money\\\"}]}\","
        " \"references\": [{\"name\": \"Money\", \"subject\": \"money\", \"version\": 1}]}";
    pbus_registry *registry = client();
    const char *said;
    put(registry, "money", "{\"type\":\"fixed\",\"name\":\"Money\",\"size\":3}", &said);
    assert_string_equal(said, "");
    assert_int_equal(registry_fixture_send(server, "POST", "/subjects/whole-value/versions", whole), 200);
    int32_t id;
    /* Its id is the next one. */
    id = put(registry, "behind-value", "\"double\"", &said) - 1;
    pbus_schema *schema;
    assert_string_equal(get(registry, id, &schema), "");
    assert_string_equal(
        pbus_schema_canonical(schema),
        "{\"name\":\"Order\",\"type\":\"record\",\"fields\":[{\"name\":\"m\",\"type\":{\"name\":\"Money\","
        "\"type\":\"fixed\",\"size\":3}}]}");
    pbus_schema_free(schema);
    pbus_registry_free(registry);
}

static void set_fault(const char *fault)
{
    assert_int_equal(registry_fixture_send(server, "PUT", "/test/fault", fault), 200);
}

/* Each refers to the next, and is fetched by a request of its own. */
static void the_time_limit_is_for_all_requests_of_a_call(void **state)
{
    (void)state;
    enum { N_LINKS = 8 };
    pbus_registry *writer = client();
    const char *said;
    put(writer, "link0", "{\"type\":\"fixed\",\"name\":\"L0\",\"size\":1}", &said);
    for (int i = 1; i < N_LINKS; i++) {
        char path[60], body[400];
        snprintf(path, sizeof path, "/subjects/link%d/versions", i);
        snprintf(body, sizeof body,
                 "{\"schema\": \"{\\\"type\\\":\\\"record\\\",\\\"name\\\":\\\"L%d\\\",\\\"fields\\\":"
                 "[{\\\"name\\\":\\\"f\\\",\\\"type\\\":\\\"L%d\\\"}]}\", \"references\": "
                 "[{\"name\": \"L%d\", \"subject\": \"link%d\", \"version\": 1}]}",
                 i, i - 1, i - 1, i - 1);
        assert_int_equal(registry_fixture_send(server, "POST", path, body), 200);
    }
    int32_t last = put(writer, "behind-links", "\"float\"", &said) - 1;
    pbus_registry_free(writer);
    pbus_registry_options options = PBUS_REGISTRY_OPTIONS_INIT;
    options.url = registry_fixture_url(server);
    options.timeout_ms = 1500;
    pbus_registry *reader = client_of(options);
    pbus_schema *schema;
    set_fault("{\"delay_s\": 0.3}");
    expect(get(reader, last, &schema), "later REGISTRY: ", "cannot be asked: ");
    set_fault("{}");
    pbus_registry_free(reader);
    reader = client();
    assert_string_equal(get(reader, last, &schema), "");
    pbus_schema_free(schema);
    pbus_registry_free(reader);
}

/* Messages go to logs and terminals. */
static void what_it_says_is_one_line_and_commands_no_terminal(void **state)
{
    (void)state;
    pbus_registry *registry = client();
    int32_t found;
    set_fault("{\"said\": {\"is_compatible\": false, \"messages\": "
              "[\"a\\u001b[2J\\nerror\\u009b1mb\\u007fc\\u00e4\"]}}");
    expect(check(registry, "s", "\"int\""), "INCOMPATIBLE: ", ": a [2J error  1mb c\xc3\xa4");
    set_fault("{\"said\": {\"id\": 2147483648}}");
    expect(find(registry, "s", "\"int\"", &found), "REGISTRY: ", "answer has no id");
    set_fault("{\"said\": {\"id\": -1}}");
    expect(find(registry, "s", "\"int\"", &found), "REGISTRY: ", "answer has no id");
    set_fault("{\"said\": {\"id\": \"1\"}}");
    expect(find(registry, "s", "\"int\"", &found), "REGISTRY: ", "answer has no id");
    set_fault("{\"said\": [1]}");
    expect(find(registry, "s", "\"int\"", &found), "REGISTRY: ", " 200: nothing that a schema registry says");
    set_fault("{\"said\": {\"id\": 2147483647}}");
    assert_string_equal(find(registry, "s", "\"int\"", &found), "");
    assert_int_equal(found, INT32_MAX);
    set_fault("{}");
    pbus_registry_free(registry);
}

static void one_that_is_away_stops_nothing_that_is_known_and_is_asked_again_when_it_is_back(void **state)
{
    (void)state;
    pbus_registry *registry = client();
    pbus_schema *schema;
    const char *said;
    int32_t known = put(registry, "known-value", R(A), &said),
            unknown = put(registry, "unknown-value", "\"long\"", &said), again = -1;
    assert_string_equal(get(registry, known, &schema), "");
    pbus_schema_free(schema);
    registry_fixture_kill(server);
    expect(get(registry, unknown, &schema), "later REGISTRY: ", "cannot be asked: ");
    assert_string_equal(get(registry, known, &schema), "");
    pbus_schema_free(schema);
    assert_int_equal(put(registry, "known-value", R(A), &said), known);
    registry_fixture_start(server);
    bool got = false;
    for (int64_t end = wait_now_ms() + SOON_MS; !got && wait_now_ms() < end;) {
        said = get(registry, unknown, &schema);
        got = !*said;
        if (!got)
            expect(said, "later REGISTRY: ", "cannot be asked: ");
    }
    assert_true(got);
    assert_string_equal(pbus_schema_text(schema, NULL), "\"long\"");
    pbus_schema_free(schema);
    registry_fixture_fault(server, 503);
    expect(find(registry, "other-value", R(A), &again),
           "later REGISTRY: ", " 50301: Error in the backend data store");
    registry_fixture_fault(server, 0);
    pbus_registry_free(registry);
}

/* A slow machine may need several attempts for the first time. */
static bool learns(void *registry)
{
    const char *said;
    pbus_schema *schema = NULL;
    int32_t id = put(registry, "frozen-value", R(A), &said);
    bool good = id >= 0 && !*get(registry, id, &schema);
    pbus_schema_free(schema);
    return good;
}

static void *get_in_a_thread(void *arg)
{
    pbus_schema *schema;
    pbus_error err;
    return (void *)(intptr_t)pbus_registry_schema(arg, 7, &schema, &err);
}

static void one_that_does_not_answer_costs_the_timeout_and_nobody_else_waits(void **state)
{
    (void)state;
    pbus_registry_options options = PBUS_REGISTRY_OPTIONS_INIT;
    options.url = registry_fixture_url(server);
    options.timeout_ms = 3000;
    pbus_registry *registry = client_of(options);
    assert_true(wait_until(learns, registry, SOON_MS));
    registry_fixture_freeze(server);
    pthread_t asking;
    assert_int_equal(pthread_create(&asking, NULL, get_in_a_thread, registry), 0);
    int n = 0;
    void *status;
    do {
        assert_true(learns(registry));
        n++;
    } while (pthread_tryjoin_np(asking, &status) != 0);
    /* Each of them would have waited for the other thread's answer. */
    assert_true(n > 100);
    assert_int_equal((intptr_t)status, PBUS_ERROR_REGISTRY);
    registry_fixture_thaw(server);
    pbus_registry_free(registry);
}

static void a_user_is_asked_for_and_the_password_is_not_told(void **state)
{
    (void)state;
    static const char *const arguments[] = {"--user", "ada:geheim7", NULL};
    registry_fixture *guarded = registry_fixture_new(arguments);
    pbus_registry_options options = PBUS_REGISTRY_OPTIONS_INIT;
    options.url = registry_fixture_url(guarded);
    options.timeout_ms = SOON_MS;
    options.user = "ada";
    options.password = "geheim7";
    const char *said;
    pbus_registry *registry = client_of(options);
    assert_true(put(registry, "s", R(A), &said) > 0);
    pbus_registry_free(registry);
    options.password = "geraten9";
    registry = client_of(options);
    assert_int_equal(put(registry, "s", R(A), &said), -1);
    expect(said, "REGISTRY: ", " 401: Unauthorized");
    assert_null(strstr(said, "geraten9"));
    pbus_registry_free(registry);
    options.user = options.password = NULL;
    registry = client_of(options);
    assert_int_equal(put(registry, "s", R(A), &said), -1);
    expect(said, "REGISTRY: ", " 401: Unauthorized");
    pbus_registry_free(registry);
    registry_fixture_free(guarded);
}

/* Status and code, to who sends a schema. */
static void what_says_nothing_of_the_schema_is_no_verdict_about_it(void **state)
{
    (void)state;
    static const struct {
        const char *fault, *begins, *has;
    } all[] = {
        {"{\"status\":422,\"code\":42201}", "AVRO_SCHEMA: ", " 42201: "},
        {"{\"status\":422,\"code\":42209}", "AVRO_SCHEMA: ", " 42209: "}, /* too large */
        {"{\"status\":422,\"code\":44201}", "AVRO_SCHEMA: ", " 44201: "}, /* Karapace's 42201 */
        {"{\"status\":422,\"code\":42205}", "REGISTRY: ", " 42205: "},    /* the subject may only be read */
        {"{\"status\":422,\"code\":42208}", "REGISTRY: ", " 42208: "},    /* of the subject's name */
        {"{\"status\":404,\"code\":40401}", "UNKNOWN_SCHEMA: ", " 40401: "},
        {"{\"status\":404,\"code\":50001}", "REGISTRY: ", " 50001: "},
        {"{\"status\":404,\"code\":404}", "REGISTRY: ", " 404: "},
        {"{\"status\":400,\"code\":400}", "REGISTRY: ", " 400: "},
    };
    pbus_registry *registry = client();
    const char *said;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        assert_int_equal(registry_fixture_send(server, "PUT", "/test/fault", all[i].fault), 200);
        assert_int_equal(put(registry, "judged", "\"int\"", &said), -1);
        expect(said, all[i].begins, all[i].has);
    }
    registry_fixture_fault(server, 0);
    assert_true(put(registry, "judged", "\"int\"", &said) > 0);
    pbus_registry_free(registry);
}

static void a_negative_number_is_no_id_and_not_asked_for(void **state)
{
    (void)state;
    pbus_registry *registry = client();
    pbus_schema *schema;
    expect(get(registry, -1, &schema), "UNKNOWN_SCHEMA: ", "-1 is no id");
    assert_int_equal(registry_fixture_asked(server, "GET /schemas/ids/-1"), 0);
    pbus_registry_free(registry);
}

static void no_redirection_is_followed_and_a_stranger_is_told_from_a_registry(void **state)
{
    (void)state;
    pbus_registry *registry = client();
    pbus_schema *schema;
    const char *said;
    int32_t found;
    registry_fixture_fault(server, 302);
    put(registry, "s", "\"int\"", &said);
    expect(said, "REGISTRY: ", " 30201: ");
    registry_fixture_fault(server, 409); /* who was sent no schema judges none */
    expect(get(registry, 7, &schema), "REGISTRY: ", " 40901: ");
    registry_fixture_fault(server, 422);
    expect(get(registry, 7, &schema), "REGISTRY: ", " 42201: ");
    registry_fixture_fault(server, 0);
    pbus_registry_free(registry);
    char url[80];
    snprintf(url, sizeof url, "%s/no/registry/", registry_fixture_url(server));
    pbus_registry_options options = PBUS_REGISTRY_OPTIONS_INIT;
    options.url = url;
    registry = client_of(options);
    expect(find(registry, "s", "\"int\"", &found), "REGISTRY: ", " 404: HTTP 404 Not Found");
    pbus_registry_free(registry);
}

static char certificates[] = "/tmp/postbus-registry-tls.XXXXXX";
static const char *system_authorities; /* a directory; NULL: the one that libcurl was built with */

CURL *__real_curl_easy_init(void);
CURL *__wrap_curl_easy_init(void);

CURL *__wrap_curl_easy_init(void)
{
    CURL *curl = __real_curl_easy_init();
    if (system_authorities)
        assert_int_equal(curl_easy_setopt(curl, CURLOPT_CAPATH, system_authorities), CURLE_OK);
    return curl;
}

/* ca_name: the file of whom to trust, among the certificates; NULL: whom the system trusts. */
static const char *ask_over_tls(const char *certificate, const char *host, const char *ca_name)
{
    char pem[100], ca[100], url[100];
    snprintf(pem, sizeof pem, "%s/%s.pem", certificates, certificate);
    snprintf(ca, sizeof ca, "%s/%s", certificates, ca_name ? ca_name : "");
    const char *const arguments[] = {"--tls", pem, NULL};
    registry_fixture *guarded = registry_fixture_new(arguments);
    snprintf(url, sizeof url, "https://%s:%d", host, registry_fixture_port(guarded));
    pbus_registry_options options = PBUS_REGISTRY_OPTIONS_INIT;
    options.url = url;
    options.ca_file = ca_name ? ca : NULL;
    options.timeout_ms = SOON_MS;
    const char *said;
    pbus_registry *registry = client_of(options);
    put(registry, "s", R(A), &said);
    pbus_registry_free(registry);
    registry_fixture_free(guarded);
    return said;
}

static void only_a_certificate_of_this_host_and_of_a_trusted_signer_is_taken(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(certificates));
    assert_int_equal(
        proc_fixture_run((const char *const[]){POSTBUS_SUPPORT_DIR "/certificates", certificates, NULL}, NULL,
                         NULL, SOON_MS),
        0);
    assert_string_equal(ask_over_tls("good", "localhost", "ca.crt"), "");
    expect(ask_over_tls("good", "localhost", NULL), "REGISTRY: ", "cannot be asked: ");
    expect(ask_over_tls("elsewhere", "localhost", "ca.crt"), "REGISTRY: ", "cannot be asked: ");
    expect(ask_over_tls("expired", "localhost", "ca.crt"), "REGISTRY: ", "cannot be asked: ");
    expect(ask_over_tls("self", "localhost", "ca.crt"), "REGISTRY: ", "cannot be asked: ");
    char directory[100];
    snprintf(directory, sizeof directory, "%s/authorities", certificates);
    system_authorities = directory;
    assert_string_equal(ask_over_tls("good", "localhost", NULL), "");
    /* Whoever names a signer trusts no other, the system's authorities included. */
    expect(ask_over_tls("good", "localhost", "self.crt"), "REGISTRY: ", "cannot be asked: ");
    system_authorities = NULL;
    proc_fixture_run((const char *const[]){"rm", "-r", certificates, NULL}, NULL, NULL, SOON_MS);
}

static void wrong_calls_are_told_what_is_right(void **state)
{
    (void)state;
    static const struct {
        const char *url, *said;
    } urls[] = {
        {NULL, "\"(NULL)\""},
        {"", "is \"\""},
        {"registry:8081", "write https://HOST:PORT"},
        {"ftp://registry", "write https://HOST:PORT"},
        {"file:///etc/passwd", "write https://HOST:PORT"},
        {"https://", "write https://HOST:PORT"},
        {"https://registry?x=1", "write https://HOST:PORT"},
        {"https://registry#x", "write https://HOST:PORT"},
        {"https://ada:geheim7@registry", "give user and password by themselves"},
        {"https://ada@registry", "give user and password by themselves"},
        {"ada:geheim7@registry", "(hidden"},
    };
    pbus_registry *registry = NULL;
    pbus_registry_options options = PBUS_REGISTRY_OPTIONS_INIT;
    pbus_error err;
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        options.url = urls[i].url;
        const char *said = outcome(pbus_registry_new(&options, &registry, &err), &err);
        expect(said, "ARGUMENT: ", urls[i].said);
        assert_null(strstr(said, "geheim7"));
    }
    options.url = "http://127.0.0.1:1";
    options.size = 8;
    expect(outcome(pbus_registry_new(&options, &registry, &err), &err), "ARGUMENT: ", "options->size is 8");
    options.size = sizeof options;
    expect(outcome(pbus_registry_new(NULL, &registry, &err), &err), "ARGUMENT: ", "options is NULL");
    registry = client_of(options);
    int32_t id;
    expect(find(registry, "", "\"int\"", &id), "ARGUMENT: ", "the subject is \"\"");
    expect(find(registry, "\xff", "\"int\"", &id), "ARGUMENT: ", "the subject is \"\\xFF\"");
    expect(outcome(pbus_registry_find(registry, "s", NULL, &id, &err), &err),
           "ARGUMENT: ", "the schema is NULL");
    expect(outcome(pbus_registry_schema(registry, 1, NULL, &err), &err), "ARGUMENT: ", "out is NULL");
    assert_int_equal(pbus_registry_schema(NULL, 1, NULL, NULL), PBUS_ERROR_ARGUMENT);
    pbus_registry_free(registry);
    pbus_registry_free(NULL);
}

static int open_all(void **state)
{
    (void)state;
    server = registry_fixture_new(NULL);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    registry_fixture_free(server);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_registered_is_found_by_schema_and_by_id_and_asked_for_once),
        cmocka_unit_test(what_the_registry_refuses_is_told_in_its_words),
        cmocka_unit_test(a_schema_of_several_parts_is_put_together),
        cmocka_unit_test(the_time_limit_is_for_all_requests_of_a_call),
        cmocka_unit_test(what_it_says_is_one_line_and_commands_no_terminal),
        cmocka_unit_test(one_that_is_away_stops_nothing_that_is_known_and_is_asked_again_when_it_is_back),
        cmocka_unit_test(one_that_does_not_answer_costs_the_timeout_and_nobody_else_waits),
        cmocka_unit_test(a_user_is_asked_for_and_the_password_is_not_told),
        cmocka_unit_test(what_says_nothing_of_the_schema_is_no_verdict_about_it),
        cmocka_unit_test(a_negative_number_is_no_id_and_not_asked_for),
        cmocka_unit_test(no_redirection_is_followed_and_a_stranger_is_told_from_a_registry),
        cmocka_unit_test(only_a_certificate_of_this_host_and_of_a_trusted_signer_is_taken),
        cmocka_unit_test(wrong_calls_are_told_what_is_right),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
