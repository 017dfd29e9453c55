/* What a stage is: the model as Python describes it, scratch memory, threads, and one call's rows.

   Python owns weights and caches; what is here is allocated when a stage is opened and never after.
   It computes nothing. */
#ifndef AIRSPLIT_STAGE_H
#define AIRSPLIT_STAGE_H

#include "attention.h"
#include "product.h"

#define ROW_SKEW 64 /* bytes that keep neighbouring rows out of the same cache sets */

struct layer {
    struct matrix query_key_value, attention_output, gate_up, down;
    const float *input_norm, *post_attention_norm; /* [hidden], padded, with Gemma's 1 added */
    const float *pre_feed_forward_norm, *post_feed_forward_norm; /* NULL: no sandwich norms */
    const float *query_norm, *key_norm; /* [head_dimension], padded; NULL: none */
    const float *rope; /* [capacity] of { cos [half], sin [half] } */
    int32_t window; /* positions that are seen, the row's own included; 0: all */
};

struct decoder {
    const struct layer *layer;
    uint8_t *cache; /* [slots][blocks][layers][key_value_heads] of { keys, values } */
    int64_t slot_bytes, block_bytes;
    int32_t precision, layers, hidden, intermediate, heads, key_value_heads, head_dimension;
    int32_t activation, capacity, threads;
    float norm_epsilon, attention_scale, attention_softcap; /* softcaps: 0 for none */
};

struct output {
    struct matrix projection;
    const float *norm;
    int32_t precision, hidden, vocabulary, threads;
    float norm_epsilon, logit_softcap;
};

struct scratch {
    struct activations x; /* [ROWS], input of the next product */
    float *residual;      /* [ROWS][hidden] */
    float *wide;          /* [ROWS][wide_stride], result of the last product */
    float *queries;       /* [ROWS][heads][dimension] */
    float *mixed;         /* [ROWS][heads * head_dimension], attention's result */
    float *lines;         /* [threads][line], one row at a time */
    float *scores;        /* [threads][HEAD_TILE][context] */
    struct best *best;    /* [threads][ROWS]; an output's */
    size_t wide_stride, mixed_stride, line, context;
};

struct stage {
    struct decoder model;
    struct output head; /* of an output stage; `model` is empty then */
    struct scratch scratch;
    struct pool *pool;
    void *memory;
    size_t memory_bytes;
    int hidden, dimension; /* padded */
};

/* One call's rows, and the part of them that runs now. */
struct call {
    struct stage *stage;
    const uint8_t *in;
    uint8_t *out;
    const int32_t *slots, *positions;
    int rows, first_layer, end_layer;
    const int32_t *places; /* of the output: as in a product */
    int32_t *likeliest;    /* of the output: a row's likeliest, or -1; NULL: not asked for */
};

static inline int round_up(int value, int step) { return (value + step - 1) / step * step; }

static inline int is_narrow(const struct stage *s) { return s->model.precision != FP32; }

/* ---- scratch memory ---- */

/* Hands out parts of one allocation; run once with no memory to learn its size. */
struct carver {
    uint8_t *memory;
    size_t used;
};

static void *carve(struct carver *carver, size_t bytes)
{
    void *part = carver->memory == NULL ? NULL : carver->memory + carver->used;
    carver->used += (bytes + 63) / 64 * 64;
    return part;
}

struct sizes {
    int inputs, wide, queries, mixed, line, context, threads, precision, best;
};

static void carve_scratch(struct carver *carver, struct scratch *scratch, int hidden,
                          const struct sizes *z)
{
    size_t element = z->precision == FP32 ? 4 : z->precision == BF16 ? 2 : 1;
    struct activations *x = &scratch->x;
    x->row_bytes = (size_t)z->inputs * element + ROW_SKEW;
    x->groups = z->inputs / GROUP;
    x->values = carve(carver, ROWS * x->row_bytes);
    x->scales = carve(carver, sizeof(float) * ROWS * x->groups);
    x->starts = carve(carver, sizeof(int32_t) * ROWS * x->groups);
    scratch->wide_stride = z->wide;
    scratch->mixed_stride = z->mixed;
    scratch->line = z->line;
    scratch->context = z->context;
    scratch->residual = carve(carver, sizeof(float) * ROWS * hidden);
    scratch->wide = carve(carver, sizeof(float) * ROWS * z->wide);
    scratch->queries = carve(carver, sizeof(float) * ROWS * z->queries);
    scratch->mixed = carve(carver, sizeof(float) * ROWS * z->mixed);
    scratch->lines = carve(carver, sizeof(float) * z->threads * z->line);
    scratch->best = carve(carver, sizeof *scratch->best * z->best);
    scratch->scores = carve(carver, sizeof(float) * z->threads * HEAD_TILE * z->context);
}

static int largest_of(int a, int b) { return a > b ? a : b; }

static void close_stage(struct stage *s)
{
    if (s->pool != NULL)
        stop_pool(s->pool);
    free(s->memory);
    free(s);
}

static struct stage *open_stage(struct stage *s, const struct sizes *z)
{
    struct carver carver = {0};
    carve_scratch(&carver, &s->scratch, s->hidden, z);
    /* calloc leaves large memory untouched until it is used: scores are sized for a full context */
    s->memory_bytes = carver.used + 64;
    s->memory = calloc(1, s->memory_bytes);
    s->pool = start_pool(z->threads);
    if (s->memory == NULL || s->pool == NULL) {
        close_stage(s);
        return NULL;
    }
    carver = (struct carver){.memory = (uint8_t *)(((uintptr_t)s->memory + 63) & ~(uintptr_t)63)};
    carve_scratch(&carver, &s->scratch, s->hidden, z);
    return s;
}

#endif
