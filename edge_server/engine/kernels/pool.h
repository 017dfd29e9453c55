/* A few threads that run one job together and sleep between jobs.

   Inside a job they meet at barriers a few microseconds apart, so a waiting thread spins there for
   a moment and then sleeps; between jobs they sleep on a condition variable and cost nothing.
   Where other programs keep the processors busy, two of the threads may share one: spinning then
   keeps the other from coming, and yielding lets those programs run, however unimportant, until the
   clock ticks. So who has spun in vain sleeps at once for a while. Measured on two busy processors:
   layers for 16 rows took 10 to 21 ms a step, where spinning and yielding took 13 to 61.
   OpenMP is not used: its runtime spins after each region unless an environment variable was set
   before it was loaded, and it keeps a team for every thread that ever called it. */
#ifndef AIRSPLIT_POOL_H
#define AIRSPLIT_POOL_H

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#define MAX_THREADS 256 /* more than any machine gains from; bounds what a wrong option can start */
#define SPINS 4000      /* tens of microseconds: as late as a neighbour usually is */
#define SHY_MEETINGS 31 /* without spinning, after it was in vain */

struct pool;
typedef void job_function(void *argument, struct pool *pool, int thread);

struct worker {
    struct pool *pool;
    pthread_t handle;
    int index;
};

struct pool {
    int threads;
    struct worker *workers; /* threads - 1: the caller is thread 0 */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    uint64_t jobs; /* started so far; guarded by lock, as are the next three */
    int stopping;
    job_function *job;
    void *argument;
    atomic_int arrived;
    atomic_uint phase;
    atomic_int sleepers;
};

static inline void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Sleep while `phase` is what it was; may return early. */
static void doze(struct pool *pool, unsigned phase)
{
#ifdef __linux__
    /* Whoever changes the phase looks for sleepers afterwards, and the system looks at the phase
       before it lets one sleep: in either order nobody is left behind. */
    atomic_fetch_add(&pool->sleepers, 1);
    syscall(SYS_futex, &pool->phase, FUTEX_WAIT_PRIVATE, phase, NULL, NULL, 0);
    atomic_fetch_sub(&pool->sleepers, 1);
#else
    (void)pool, (void)phase;
    sched_yield();
#endif
}

static void wake_sleepers(struct pool *pool)
{
#ifdef __linux__
    if (atomic_load(&pool->sleepers) > 0)
        syscall(SYS_futex, &pool->phase, FUTEX_WAKE_PRIVATE, MAX_THREADS, NULL, NULL, 0);
#else
    (void)pool;
#endif
}

/* Returns when every thread of the job has come here. */
static void meet(struct pool *pool)
{
    static _Thread_local int shy;
    if (pool->threads == 1)
        return;
    unsigned phase = atomic_load_explicit(&pool->phase, memory_order_acquire);
    if (atomic_fetch_add_explicit(&pool->arrived, 1, memory_order_acq_rel) + 1 == pool->threads) {
        atomic_store_explicit(&pool->arrived, 0, memory_order_relaxed);
        atomic_fetch_add(&pool->phase, 1);
        wake_sleepers(pool);
        return;
    }
    int spins = shy > 0 ? 0 : SPINS, spin = 0;
    for (; atomic_load_explicit(&pool->phase, memory_order_acquire) == phase; spin++) {
        if (spin < spins)
            relax();
        else
            doze(pool, phase);
    }
    shy = shy > 0 ? shy - 1 : spin > spins ? SHY_MEETINGS : 0;
}

static void *serve(void *argument)
{
    struct worker *worker = argument;
    struct pool *pool = worker->pool;
    for (uint64_t done = 0;; done++) {
        pthread_mutex_lock(&pool->lock);
        while (pool->jobs == done && !pool->stopping)
            pthread_cond_wait(&pool->wake, &pool->lock);
        int stopping = pool->stopping;
        job_function *job = pool->job;
        void *job_argument = pool->argument;
        pthread_mutex_unlock(&pool->lock);
        if (stopping)
            return NULL;
        job(job_argument, pool, worker->index);
        meet(pool);
    }
}

/* Run `job` on all threads; returns when all have finished it. */
static void run_job(struct pool *pool, job_function *job, void *argument)
{
    if (pool->threads > 1) {
        pthread_mutex_lock(&pool->lock);
        pool->job = job;
        pool->argument = argument;
        pool->jobs++;
        pthread_cond_broadcast(&pool->wake);
        pthread_mutex_unlock(&pool->lock);
    }
    job(argument, pool, 0);
    meet(pool);
}

static void stop_pool(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->stopping = 1;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < pool->threads - 1; i++)
        pthread_join(pool->workers[i].handle, NULL);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    free(pool->workers);
    free(pool);
}

/* NULL where the system has no memory or no thread left. */
static struct pool *start_pool(int threads)
{
    if (threads < 1 || threads > MAX_THREADS)
        return NULL;
    struct pool *pool = calloc(1, sizeof *pool);
    struct worker *workers = calloc((size_t)threads, sizeof *workers);
    if (pool == NULL || workers == NULL) {
        free(pool);
        free(workers);
        return NULL;
    }
    pool->workers = workers;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    for (pool->threads = 1; pool->threads < threads; pool->threads++) {
        struct worker *worker = &workers[pool->threads - 1];
        *worker = (struct worker){.pool = pool, .index = pool->threads};
        if (pthread_create(&worker->handle, NULL, serve, worker) != 0) {
            stop_pool(pool);
            return NULL;
        }
    }
    return pool;
}

/* The part [first, end) of `count` units that falls to `thread`; neighbours stay together. */
static inline void share(int count, int threads, int thread, int *first, int *end)
{
    *first = (int)((int64_t)count * thread / threads);
    *end = (int)((int64_t)count * (thread + 1) / threads);
}

#endif
