/* cmocka.h with the headers it asks for, in the order it asks for them. */
#ifndef POSTBUS_TEST_CMOCKA_ALL_H
#define POSTBUS_TEST_CMOCKA_ALL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#endif
