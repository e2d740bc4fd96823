/* How the declarations of libpostbus are marked. Nothing here is called. */
#ifndef POSTBUS_EXPORT_H
#define POSTBUS_EXPORT_H

#if defined(__GNUC__) || defined(__clang__)
/* Part of the library's interface: the only symbols that it exports. */
#define PBUS_API __attribute__((visibility("default")))
/* The caller must look at what the function returns. */
#define PBUS_MUST_USE __attribute__((warn_unused_result))
#else
#define PBUS_API
#define PBUS_MUST_USE
#endif

#endif
