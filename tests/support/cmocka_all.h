/* cmocka.h with the headers it asks for, in the order it asks for them; and POSTBUS_TEST_ONLY, which chooses a program's tests by a pattern
 * of their names ('*lock*'). */
#ifndef POSTBUS_TEST_CMOCKA_ALL_H
#define POSTBUS_TEST_CMOCKA_ALL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

__attribute__((constructor)) static void cmocka_all_choose(void)
{
    const char *only = getenv("POSTBUS_TEST_ONLY");
    cmocka_set_test_filter(only && *only ? only : NULL);
}

#endif
