/* Attention of one row over one slot's cache, in float.

   The cache of a slot grows in blocks of 64 positions; a block holds, for every layer and key/value
   head of the stage, keys [dimension][64] and values [dimension / STRIP_LANES][64][STRIP_LANES].
   A conversation therefore touches memory in proportion to its length, what is read is read in
   order, and both products run along lanes: scores with a lane per position, the weighted sum of
   values with a lane per dimension. Each query head is computed by itself in an order that depends
   on positions alone, so neither batch nor chunks show. It knows nothing about weights. */
#ifndef AIRSPLIT_ATTENTION_H
#define AIRSPLIT_ATTENTION_H

#include "lanes.h"

#define BLOCK 64 /* positions of a cache block */
#define HEAD_TILE 4 /* query heads that share each load of keys and values */
#define DIMENSION_STEP 16 /* head dimensions are padded to it; no strip is wider than its rest */
#define CACHE_AHEAD 2048 /* bytes asked for ahead of their use */

#if LANES == 16
#define STRIP 4 /* vectors side by side: STRIP * HEAD_TILE sums fill half the registers */
#else
#define STRIP 1
#endif
#define STRIP_LANES (STRIP * LANES)

struct cache_view {
    const uint8_t *base; /* keys of this layer and key/value head in the slot's first block */
    size_t block_bytes;
    int dimension; /* padded */
    int first, last; /* positions that are seen, both included */
};

/* Where one row's scores and results are: [head][stride] and [head][dimension]. */
struct mixture {
    const float *queries;
    float *scores;
    size_t stride;
    float *out;
    float scale, cap; /* cap: 0 for none */
};

INLINE size_t cache_element(int narrow) { return narrow ? 2 : 4; }

/* Vector `v` from element `index` on; asks for what comes later once a line. */
INLINE vector_f load_cached(const uint8_t *from, size_t index, int v, int narrow)
{
    size_t offset = v * LANES * cache_element(narrow);
    const uint8_t *at = from + index * cache_element(narrow) + offset;
    if (offset % LINE == 0)
        __builtin_prefetch(at + CACHE_AHEAD, 0, 3);
    return narrow ? load_bf16((const uint16_t *)at) : load_f((const float *)at);
}

INLINE void store_cached(uint8_t *to, vector_f value, int narrow)
{
    if (narrow)
        store_bf16((uint16_t *)to, value);
    else
        store_f((float *)to, value);
}

/* Index of a value in its block. A last strip may be narrower. */
INLINE size_t value_index(int dimension, int position, int d)
{
    int strip = d / STRIP_LANES * STRIP_LANES;
    int width = dimension - strip < STRIP_LANES ? dimension - strip : STRIP_LANES;
    return (size_t)strip * BLOCK + (size_t)position * width + (d - strip);
}

/* Scores of `heads` queries against `vectors` vectors of a block's positions from `start` on. */
INLINE void score_positions(const uint8_t *keys, int dimension, const struct mixture *m, int heads,
                            float *scores, int start, int vectors, int narrow)
{
    vector_f sums[HEAD_TILE][STRIP] = {0};
    for (int d = 0; d < dimension; d++) {
        vector_f key[STRIP];
        UNROLL for (int v = 0; v < vectors; v++)
            key[v] = load_cached(keys, (size_t)d * BLOCK + start, v, narrow);
        UNROLL for (int h = 0; h < heads; h++)
            UNROLL for (int v = 0; v < vectors; v++)
                sums[h][v] = multiply_add(key[v], all_f(m->queries[h * dimension + d]), sums[h][v]);
    }
    UNROLL for (int h = 0; h < heads; h++)
        UNROLL for (int v = 0; v < vectors; v++)
            store_f(scores + h * m->stride + start + v * LANES, sums[h][v]);
}

/* A whole strip at a time inside, single vectors at the ends: none without a position in sight. */
INLINE void score_block(const struct cache_view *view, int block, const struct mixture *m,
                        int heads, int narrow)
{
    const uint8_t *keys = view->base + block * view->block_bytes;
    float *scores = m->scores + (size_t)(block - view->first / BLOCK) * BLOCK;
    int begin = view->first - block * BLOCK, end = view->last - block * BLOCK + 1;
    begin = begin > 0 ? begin / LANES * LANES : 0;
    end = end < BLOCK ? end : BLOCK;
    for (int start = begin; start < end;) {
        if (start % STRIP_LANES == 0 && end - start > STRIP_LANES - LANES) {
            score_positions(keys, view->dimension, m, heads, scores, start, STRIP, narrow);
            start += STRIP_LANES;
        } else {
            score_positions(keys, view->dimension, m, heads, scores, start, 1, narrow);
            start += LANES;
        }
    }
}

/* Add weight * value of a block's positions [start, end) to `vectors` vectors of the result. */
INLINE void mix_strip(const uint8_t *values, int width, const float *weights, size_t stride,
                      int start, int end, int heads, int vectors, float *out, int dimension,
                      int narrow)
{
    vector_f sums[HEAD_TILE][STRIP];
    UNROLL for (int h = 0; h < heads; h++)
        UNROLL for (int v = 0; v < vectors; v++)
            sums[h][v] = load_f(out + h * dimension + v * LANES);
    for (int p = start; p < end; p++) {
        vector_f value[STRIP];
        UNROLL for (int v = 0; v < vectors; v++)
            value[v] = load_cached(values, (size_t)p * width, v, narrow);
        UNROLL for (int h = 0; h < heads; h++)
            UNROLL for (int v = 0; v < vectors; v++)
                sums[h][v] = multiply_add(value[v], all_f(weights[h * stride + p]), sums[h][v]);
    }
    UNROLL for (int h = 0; h < heads; h++)
        UNROLL for (int v = 0; v < vectors; v++)
            store_f(out + h * dimension + v * LANES, sums[h][v]);
}

INLINE void mix_block(const struct cache_view *view, int block, const struct mixture *m, int heads,
                      int narrow)
{
    size_t element = cache_element(narrow);
    const uint8_t *values = view->base + block * view->block_bytes
                            + (size_t)view->dimension * BLOCK * element;
    const float *weights = m->scores + (size_t)(block - view->first / BLOCK) * BLOCK;
    int start = view->first - block * BLOCK, end = view->last - block * BLOCK + 1, d = 0;
    start = start > 0 ? start : 0;
    end = end < BLOCK ? end : BLOCK;
    for (; d + STRIP_LANES <= view->dimension; d += STRIP_LANES)
        mix_strip(values + d * BLOCK * element, STRIP_LANES, weights, m->stride, start, end, heads,
                  STRIP, m->out + d, view->dimension, narrow);
    for (int rest = d, width = view->dimension - d; d < view->dimension; d += LANES)
        mix_strip(values + (rest * BLOCK + d - rest) * element, width, weights, m->stride, start,
                  end, heads, 1, m->out + d, view->dimension, narrow);
}

/* Scale, cap and hide what is out of sight; returns the largest score. */
static float mask_scores(const struct cache_view *view, float *scores, float scale, float cap)
{
    int start = view->first / BLOCK * BLOCK, end = (view->last / BLOCK + 1) * BLOCK;
    vector_i lane;
    for (int i = 0; i < LANES; i++)
        lane[i] = i;
    vector_f largest = all_f(-INFINITY);
    for (int position = start; position < end; position += LANES) {
        float *at = scores + (position - start);
        vector_f score = load_f(at) * scale;
        if (cap > 0.0f)
            score = soft_cap(score, cap);
        vector_i here = lane + position;
        score = choose((here >= view->first) & (here <= view->last), score, all_f(-INFINITY));
        store_f(at, score);
        largest = larger(score, largest);
    }
    return largest_lane(largest);
}

/* Scores become weights that sum to 1. */
static void normalise_scores(const struct cache_view *view, float *scores, float largest)
{
    int count = (view->last / BLOCK - view->first / BLOCK + 1) * BLOCK;
    vector_f total = {0};
    for (int i = 0; i < count; i += LANES) {
        vector_f weight = exponential(load_f(scores + i) - largest);
        store_f(scores + i, weight);
        total += weight;
    }
    float share = 1.0f / sum_lanes(total);
    for (int i = 0; i < count; i += LANES)
        store_f(scores + i, load_f(scores + i) * share);
}

INLINE void attend_heads(const struct cache_view *view, const struct mixture *m, int heads,
                         int narrow)
{
    int first_block = view->first / BLOCK, last_block = view->last / BLOCK;
    for (int block = first_block; block <= last_block; block++)
        score_block(view, block, m, heads, narrow);
    for (int h = 0; h < heads; h++) {
        float *scores = m->scores + h * m->stride;
        normalise_scores(view, scores, mask_scores(view, scores, m->scale, m->cap));
    }
    memset(m->out, 0, (size_t)heads * view->dimension * sizeof *m->out);
    for (int block = first_block; block <= last_block; block++)
        mix_block(view, block, m, heads, narrow);
}

INLINE void attend_as(const struct cache_view *view, const struct mixture *m, int heads, int narrow)
{
    switch (heads) {
    case 1: attend_heads(view, m, 1, narrow); break;
    case 2: attend_heads(view, m, 2, narrow); break;
    case 3: attend_heads(view, m, 3, narrow); break;
    default: attend_heads(view, m, HEAD_TILE, narrow); break;
    }
}

/* `heads` queries of one row, at most HEAD_TILE, which share a key/value head. */
static void attend(const struct cache_view *view, const struct mixture *m, int heads, int narrow)
{
    if (narrow)
        attend_as(view, m, heads, 1);
    else
        attend_as(view, m, heads, 0);
}

/* Write one position's key and value, [dimension] each (padded), at the view's last position. */
INLINE void remember_as(const struct cache_view *view, const float *key, const float *value,
                        int narrow)
{
    size_t element = cache_element(narrow);
    uint8_t *keys = (uint8_t *)view->base + view->last / BLOCK * view->block_bytes;
    uint8_t *values = keys + (size_t)view->dimension * BLOCK * element;
    int at = view->last % BLOCK;
    for (int d = 0; d < view->dimension; d += LANES) {
        uint8_t part[LANES * sizeof(float)];
        store_cached(part, load_f(key + d), narrow);
        for (int i = 0; i < LANES; i++) /* keys lie across positions */
            memcpy(keys + ((size_t)(d + i) * BLOCK + at) * element, part + i * element, element);
        store_cached(values + value_index(view->dimension, at, d) * element, load_f(value + d),
                     narrow);
    }
}

static void remember(const struct cache_view *view, const float *key, const float *value, int narrow)
{
    if (narrow)
        remember_as(view, key, value, 1);
    else
        remember_as(view, key, value, 0);
}

#endif
