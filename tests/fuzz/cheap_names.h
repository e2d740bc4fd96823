/* For targets that read files by libconfuse, one include each: it compares each name with all there are, and makes and frees thousands of small blocks. */
#ifndef POSTBUS_FUZZ_CHEAP_NAMES_H
#define POSTBUS_FUZZ_CHEAP_NAMES_H

const char *__asan_default_options(void);
void __sanitizer_weak_hook_strcmp(void *caller, const char *a, const char *b, int result);

/* For what is fuzzed, and for nothing else: by AddressSanitizer's strcmp libconfuse would tell libFuzzer of each comparison. That took most of the time of an
 * input. */
__attribute__((visibility("hidden"), no_sanitize("address", "undefined", "coverage"))) int strcmp(
    const char *a, const char *b)
{
    const unsigned char *x = (const unsigned char *)a, *y = (const unsigned char *)b;
    while (*x && *x == *y)
        x++, y++;
    if (x > (const unsigned char *)a) /* most differ in their first character: nothing is learnt of those */
        __sanitizer_weak_hook_strcmp(__builtin_return_address(0), a, b, *x - *y);
    return *x - *y;
}

/* A full quarantine of small blocks is new pages for each. */
const char *__asan_default_options(void)
{
    return "quarantine_size_mb=1:thread_local_quarantine_size_kb=64:malloc_context_size=1:max_malloc_fill_"
           "size=64";
}

#endif
