/* Secrets and signatures of Standard Webhooks. */
#include "cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "signer.h"

/* The example of the specification's own libraries. */
#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define SIGNATURE "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
static const char body[] = "{\"test\": 2432232314}";

static char message[300];

static void sign(const char *secrets, char out[SIGNER_TEXT_SIZE])
{
    signer s;
    if (!signer_read(&s, secrets, message, sizeof message))
        fail_msg("%s", message);
    assert_true(signer_sign(&s, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body, strlen(body), out));
    signer_done(&s);
    assert_int_equal(s.n_secrets, 0);
}

static void the_signature_is_the_specifications(void **state)
{
    (void)state;
    char out[SIGNER_TEXT_SIZE];
    sign(SECRET, out);
    assert_string_equal(out, SIGNATURE);
}

static void each_secret_makes_one_in_their_order(void **state)
{
    (void)state;
    char out[SIGNER_TEXT_SIZE], all[1000] = "";
    static const char other[] = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==";
    snprintf(all, sizeof all, "\n %s\t%s\r\n", other, SECRET);
    sign(all, out);
    assert_int_equal(strlen(out), 2 * strlen(SIGNATURE) + 1);
    assert_string_equal(out + strlen(SIGNATURE) + 1, SIGNATURE);
    all[0] = '\0';
    for (int i = 0; i < SIGNER_MOST_SECRETS; i++)
        strcat(all, SECRET " ");
    sign(all, out);
    assert_int_equal(strlen(out), SIGNER_TEXT_SIZE - 1);
}

static void padding_may_be_left_out(void **state)
{
    (void)state;
    char with[SIGNER_TEXT_SIZE], without[SIGNER_TEXT_SIZE];
    sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwAQ==", with);
    sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwAQ", without);
    assert_string_equal(with, without);
    assert_string_not_equal(with, SIGNATURE);
}

static void a_bad_secret_is_refused_and_not_shown(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "secret 1 is missing"},
        {" \n", "secret 1 is missing"},
        {"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "secret 1 does not begin with whsec_"},
        {"whsec", "secret 1 does not begin with whsec_"},
        {"WHSEC_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "secret 1 does not begin with whsec_"},
        {"whsec_", "secret 1 has to be of 24 to 64 bytes"},
        {"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa", "secret 1 has to be of 24 to 64 bytes"},
        {"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwA", "secret 1 is no base64"},
        {"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa-_", "secret 1 is no base64"},
        {"whsec_MfKQ9r8GKYq=TwjUPD8ILPZIo2LaLaSw", "secret 1 is no base64"},
        {SECRET "," SECRET, "secret 1 is no base64"},
        {SECRET " " SECRET " MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "secret 3 does not begin with"},
        {SECRET " " SECRET " " SECRET " " SECRET " " SECRET " " SECRET " " SECRET " " SECRET " " SECRET,
         "secret 9 is one too many"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        signer s;
        if (signer_read(&s, cases[i][0], message, sizeof message))
            fail_msg("\"%s\" is taken", cases[i][0]);
        assert_int_equal(s.n_secrets, 0);
        if (!strstr(message, cases[i][1]) || strstr(message, "MfKQ"))
            fail_msg("\"%s\": \"%s\" instead of \"%s\"", cases[i][0], message, cases[i][1]);
    }
    char longer[200] = "whsec_";
    memset(longer + 6, 'A', 88); /* 66 bytes */
    signer s;
    assert_false(signer_read(&s, longer, message, sizeof message));
    assert_non_null(strstr(message, "24 to 64 bytes"));
    memset(longer + 6, 'A', 180);
    assert_false(signer_read(&s, longer, message, sizeof message));
    assert_non_null(strstr(message, "too long"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_signature_is_the_specifications),
        cmocka_unit_test(each_secret_makes_one_in_their_order),
        cmocka_unit_test(padding_may_be_left_out),
        cmocka_unit_test(a_bad_secret_is_refused_and_not_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
