/* Attention of one row over one slot's cache, in float.

   The cache of a slot grows in blocks of 64 positions; a block holds, for every layer and key/value
   head of the stage, keys transposed, [dimension][64], and values, [64][dimension]. A conversation
   therefore touches memory in proportion to its length, and both products run along lanes: scores
   with a lane per position, the weighted sum of values with a lane per dimension. Each query head is
   computed by itself in an order that depends on positions alone, so neither batch nor chunks show.
   It knows nothing about weights. */
#ifndef AIRSPLIT_ATTENTION_H
#define AIRSPLIT_ATTENTION_H

#include "lanes.h"

#define BLOCK 64 /* positions of a cache block */
#define HEAD_TILE 4 /* query heads that share each load of keys and values */
#define DIMENSION_STEP 16 /* head dimensions are padded to it */

#if LANES == 16
#define STRIP 4 /* vectors side by side: STRIP * HEAD_TILE accumulators */
#else
#define STRIP 1
#endif

struct cache_view {
    const uint8_t *base; /* keys of this layer and key/value head in the slot's first block */
    size_t block_bytes;
    int dimension; /* padded */
    int first, last; /* positions that are seen, both included */
};

INLINE size_t cache_element(int narrow) { return narrow ? 2 : 4; }

INLINE vector_f load_cached(const uint8_t *from, size_t index, int narrow)
{
    if (narrow)
        return load_bf16((const uint16_t *)from + index);
    return load_f((const float *)from + index);
}

INLINE void store_cached(uint8_t *to, size_t index, vector_f value, int narrow)
{
    if (narrow)
        store_bf16((uint16_t *)to + index, value);
    else
        store_f((float *)to + index, value);
}

/* Scores of `heads` queries [heads][dimension] against one block: scores[head * stride + i]. */
INLINE void score_block(const uint8_t *keys, int dimension, const float *queries, int heads,
                        float *scores, size_t stride, int narrow)
{
    for (int start = 0; start < BLOCK; start += STRIP * LANES) {
        vector_f sums[HEAD_TILE][STRIP] = {0};
        for (int d = 0; d < dimension; d++) {
            vector_f key[STRIP];
            UNROLL for (int v = 0; v < STRIP; v++)
                key[v] = load_cached(keys, (size_t)d * BLOCK + start + v * LANES, narrow);
            UNROLL for (int h = 0; h < heads; h++)
                UNROLL for (int v = 0; v < STRIP; v++)
                    sums[h][v] = multiply_add(key[v], all_f(queries[h * dimension + d]),
                                              sums[h][v]);
        }
        UNROLL for (int h = 0; h < heads; h++)
            UNROLL for (int v = 0; v < STRIP; v++)
                store_f(scores + h * stride + start + v * LANES, sums[h][v]);
    }
}

/* Sum over positions of weight * value, for `vectors` vectors of dimensions from `from` on. */
INLINE void mix_values(const struct cache_view *view, int from, const float *weights, size_t stride,
                       int heads, int vectors, const float *totals, float *out, int narrow)
{
    vector_f sums[HEAD_TILE][STRIP] = {0};
    size_t values = (size_t)view->dimension * BLOCK * cache_element(narrow);
    int first_block = view->first / BLOCK;
    for (int block = first_block; block <= view->last / BLOCK; block++) {
        const uint8_t *base = view->base + block * view->block_bytes + values;
        const float *block_weights = weights + (size_t)(block - first_block) * BLOCK;
        int start = block == first_block ? view->first % BLOCK : 0;
        int end = block == view->last / BLOCK ? view->last % BLOCK + 1 : BLOCK;
        for (int p = start; p < end; p++) {
            vector_f value[STRIP];
            UNROLL for (int v = 0; v < vectors; v++)
                value[v] = load_cached(base, (size_t)p * view->dimension + from + v * LANES, narrow);
            UNROLL for (int h = 0; h < heads; h++)
                UNROLL for (int v = 0; v < vectors; v++)
                    sums[h][v] = multiply_add(value[v], all_f(block_weights[h * stride + p]),
                                              sums[h][v]);
        }
    }
    UNROLL for (int h = 0; h < heads; h++)
        UNROLL for (int v = 0; v < vectors; v++)
            store_f(out + h * view->dimension + from + v * LANES, sums[h][v] / totals[h]);
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

/* Scores become unnormalised weights; returns their sum. */
static float exponentiate(const struct cache_view *view, float *scores, float largest)
{
    int count = (view->last / BLOCK - view->first / BLOCK + 1) * BLOCK;
    vector_f total = {0};
    for (int i = 0; i < count; i += LANES) {
        vector_f weight = exponential(load_f(scores + i) - largest);
        store_f(scores + i, weight);
        total += weight;
    }
    return sum_lanes(total);
}

/* `heads` queries of one row, which share a key/value head: out [heads][dimension]. */
INLINE void attend_heads(const struct cache_view *view, const float *queries, int heads, float scale,
                         float cap, float *scores, size_t stride, float *out, int narrow)
{
    float totals[HEAD_TILE];
    int first_block = view->first / BLOCK, last_block = view->last / BLOCK;
    for (int block = first_block; block <= last_block; block++)
        score_block(view->base + block * view->block_bytes, view->dimension, queries, heads,
                    scores + (size_t)(block - first_block) * BLOCK, stride, narrow);
    for (int h = 0; h < heads; h++) {
        float largest = mask_scores(view, scores + h * stride, scale, cap);
        totals[h] = exponentiate(view, scores + h * stride, largest);
    }
    int from = 0;
    for (; from + STRIP * LANES <= view->dimension; from += STRIP * LANES)
        mix_values(view, from, scores, stride, heads, STRIP, totals, out, narrow);
    for (; from < view->dimension; from += LANES)
        mix_values(view, from, scores, stride, heads, 1, totals, out, narrow);
}

INLINE void attend_as(const struct cache_view *view, const float *queries, int heads, float scale,
                      float cap, float *scores, size_t stride, float *out, int narrow)
{
    switch (heads) {
    case 1: attend_heads(view, queries, 1, scale, cap, scores, stride, out, narrow); break;
    case 2: attend_heads(view, queries, 2, scale, cap, scores, stride, out, narrow); break;
    case 3: attend_heads(view, queries, 3, scale, cap, scores, stride, out, narrow); break;
    default: attend_heads(view, queries, 4, scale, cap, scores, stride, out, narrow); break;
    }
}

static void attend(const struct cache_view *view, const float *queries, int heads, float scale,
                   float cap, float *scores, size_t stride, float *out, int narrow)
{
    if (narrow)
        attend_as(view, queries, heads, scale, cap, scores, stride, out, 1);
    else
        attend_as(view, queries, heads, scale, cap, scores, stride, out, 0);
}

/* Write one position's key and value, [dimension] each (padded), at the view's last position. */
static void remember(const struct cache_view *view, const float *key, const float *value, int narrow)
{
    uint8_t *block = (uint8_t *)view->base + view->last / BLOCK * view->block_bytes;
    int at = view->last % BLOCK;
    for (int d = 0; d < view->dimension; d++)
        if (narrow)
            ((uint16_t *)block)[d * BLOCK + at] = (uint16_t)round_bf16(all_f(key[d]))[0];
        else
            ((float *)block)[d * BLOCK + at] = key[d];
    uint8_t *values = block + (size_t)view->dimension * BLOCK * cache_element(narrow);
    for (int d = 0; d < view->dimension; d += LANES)
        store_cached(values, (size_t)at * view->dimension + d, load_f(value + d), narrow);
}

#endif
