/* C11's threads as POSIX threads, for runs under ThreadSanitizer only: it does not know thrd_create, with which librdkafka starts
 * its threads, and a thread it has not seen begin crashes it. Loaded before glibc; does what glibc's functions do. */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>
#include <time.h>

/* As in glibc, where a mtx_t holds a pthread_mutex_t and a cnd_t a pthread_cond_t. */
_Static_assert(sizeof(mtx_t) == sizeof(pthread_mutex_t), "a mtx_t is no pthread_mutex_t here");
_Static_assert(sizeof(cnd_t) == sizeof(pthread_cond_t), "a cnd_t is no pthread_cond_t here");

typedef struct beginning {
    thrd_start_t function;
    void *arg;
} beginning;

static int answer(int code)
{
    switch (code) {
    case 0:
        return thrd_success;
    case EBUSY:
        return thrd_busy;
    case ETIMEDOUT:
        return thrd_timedout;
    case ENOMEM:
        return thrd_nomem;
    default:
        return thrd_error;
    }
}

static void *begin(void *arg)
{
    beginning b = *(beginning *)arg;
    free(arg);
    return (void *)(intptr_t)b.function(b.arg);
}

int thrd_create(thrd_t *thread, thrd_start_t function, void *arg)
{
    beginning *b = malloc(sizeof *b);
    if (!b)
        return thrd_nomem;
    *b = (beginning){.function = function, .arg = arg};
    int code = pthread_create(thread, NULL, begin, b);
    if (code)
        free(b);
    return answer(code);
}

int thrd_join(thrd_t thread, int *result)
{
    void *value;
    int code = pthread_join(thread, &value);
    if (code == 0 && result)
        *result = (int)(intptr_t)value;
    return answer(code);
}

int thrd_detach(thrd_t thread)
{
    return answer(pthread_detach(thread));
}

/* librdkafka makes its global lock by it: two threads that each make a first producer. */
void call_once(once_flag *flag, void (*function)(void))
{
    pthread_once((pthread_once_t *)flag, function);
}

int mtx_init(mtx_t *mutex, int type)
{
    pthread_mutexattr_t attribute;
    pthread_mutexattr_init(&attribute);
    if (type & mtx_recursive)
        pthread_mutexattr_settype(&attribute, PTHREAD_MUTEX_RECURSIVE);
    int code = pthread_mutex_init((pthread_mutex_t *)mutex, &attribute);
    pthread_mutexattr_destroy(&attribute);
    return answer(code);
}

int mtx_lock(mtx_t *mutex)
{
    return answer(pthread_mutex_lock((pthread_mutex_t *)mutex));
}

int mtx_trylock(mtx_t *mutex)
{
    return answer(pthread_mutex_trylock((pthread_mutex_t *)mutex));
}

int mtx_unlock(mtx_t *mutex)
{
    return answer(pthread_mutex_unlock((pthread_mutex_t *)mutex));
}

void mtx_destroy(mtx_t *mutex)
{
    pthread_mutex_destroy((pthread_mutex_t *)mutex);
}

int cnd_init(cnd_t *condition)
{
    return answer(pthread_cond_init((pthread_cond_t *)condition, NULL));
}

int cnd_signal(cnd_t *condition)
{
    return answer(pthread_cond_signal((pthread_cond_t *)condition));
}

int cnd_broadcast(cnd_t *condition)
{
    return answer(pthread_cond_broadcast((pthread_cond_t *)condition));
}

int cnd_wait(cnd_t *condition, mtx_t *mutex)
{
    return answer(pthread_cond_wait((pthread_cond_t *)condition, (pthread_mutex_t *)mutex));
}

int cnd_timedwait(cnd_t *condition, mtx_t *mutex, const struct timespec *until)
{
    return answer(pthread_cond_timedwait((pthread_cond_t *)condition, (pthread_mutex_t *)mutex, until));
}

void cnd_destroy(cnd_t *condition)
{
    pthread_cond_destroy((pthread_cond_t *)condition);
}
