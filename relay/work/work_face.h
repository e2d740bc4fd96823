/* The face of `postbus work`: /metrics, /healthz and /readyz, on a thread of its own, so that they answer however busy the worker is, and while it
 * drains. */
#ifndef POSTBUS_WORK_FACE_H
#define POSTBUS_WORK_FACE_H

#include <postbus/worker.h>

typedef struct work_face work_face;

/* Listens (listen.h) and begins to answer: not ready, as long as no worker is shown. NULL: not possible, and reason says why. */
work_face *work_face_new(const char *listen, char *reason, size_t reason_size);

/* Of which worker it speaks from now on; NULL: of none. The worker stays the caller's, and is not asked any more once this returns with another.
 * face NULL is taken. */
void work_face_show(work_face *face, pbus_worker *worker);

/* NULL is taken. */
void work_face_free(work_face *face);

#endif
