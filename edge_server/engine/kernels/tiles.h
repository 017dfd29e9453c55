/* Tiles: some rows times one panel of packed weights, with every sum in a register.

   A tile is compiled once for each number of rows it can have. All of them walk the inputs in the
   same order with the same operations, so a row's result does not depend on its company. While it
   computes, a tile asks for weights that are needed later: for few rows memory is the bound, and for
   many it would otherwise stand idle. */
#ifndef AIRSPLIT_TILES_H
#define AIRSPLIT_TILES_H

#include "pack.h"

/* rows * vectors sums, vectors weights and one row's value fit the registers. A single row takes a
   panel's whole width, so that memory is read in order. */
#if LANES == 16
#define TILE_ROWS 6
#define TILE_VECTORS 4
#define SINGLE_VECTORS 4
#else
#define TILE_ROWS 4
#define TILE_VECTORS 2
#define SINGLE_VECTORS 8
#endif

#define STEP_BYTES (4 * PANEL) /* weights of a panel that a step takes: 1, 2 or 4 inputs' */

struct tile {
    const uint8_t *weights; /* of a piece of a panel */
    const uint8_t *fetch;   /* weights that come later, asked for meanwhile, some each step */
    size_t fetch_step;      /* bytes */
    size_t fetch_group;     /* int8: bytes more after each group */
    const struct activations *x;
    int row;           /* the first */
    int first, inputs; /* of the piece; multiples of GROUP */
    float (*sums)[PANEL]; /* [rows][PANEL], added to */
};

INLINE uint32_t load_word(const uint8_t *from)
{
    uint32_t word;
    memcpy(&word, from, sizeof word);
    return word;
}

/* Weights used once are asked for past the caches: a step reads hundreds of megabytes, and what it
   would push out is the rest of the program. Measured between two processes, that cost each token
   half a millisecond of cold code. */
INLINE const uint8_t *fetch_lines(const uint8_t *at, size_t step, int lines, int once)
{
    UNROLL for (int line = 0; line < lines; line++)
        if (once)
            __builtin_prefetch(at + line * LINE, 0, 0);
        else
            __builtin_prefetch(at + line * LINE, 0, 2);
    return at + step;
}

INLINE void load_sums(const struct tile *t, int lane, int rows, int vectors,
                      vector_f sums[TILE_ROWS][SINGLE_VECTORS])
{
    UNROLL for (int r = 0; r < rows; r++)
        UNROLL for (int v = 0; v < vectors; v++)
            sums[r][v] = load_f(t->sums[r] + lane + v * LANES);
}

INLINE void store_sums(const struct tile *t, int lane, int rows, int vectors,
                       vector_f sums[TILE_ROWS][SINGLE_VECTORS])
{
    UNROLL for (int r = 0; r < rows; r++)
        UNROLL for (int v = 0; v < vectors; v++)
            store_f(t->sums[r] + lane + v * LANES, sums[r][v]);
}

INLINE void tile_fp32(const struct tile *t, int lane, int rows, int vectors, int lines,
                     int once)
{
    const float *weights = (const float *)t->weights + lane;
    const uint8_t *x = t->x->values + t->row * t->x->row_bytes + 4 * t->first;
    const uint8_t *fetch = t->fetch + 4 * lane;
    vector_f sums[TILE_ROWS][SINGLE_VECTORS];
    load_sums(t, lane, rows, vectors, sums);
    for (int k = 0; k < t->inputs; k++, weights += PANEL) {
        fetch = fetch_lines(fetch, t->fetch_step, lines, once);
        vector_f w[SINGLE_VECTORS];
        UNROLL for (int v = 0; v < vectors; v++)
            w[v] = load_f(weights + v * LANES);
        UNROLL for (int r = 0; r < rows; r++) {
            float value;
            memcpy(&value, x + r * t->x->row_bytes + 4 * (size_t)k, sizeof value);
            UNROLL for (int v = 0; v < vectors; v++)
                sums[r][v] = multiply_add(w[v], all_f(value), sums[r][v]);
        }
    }
    store_sums(t, lane, rows, vectors, sums);
}

/* Two neighbouring inputs of each lane's output, times those of a row. */
INLINE vector_f multiply_pairs(vector_f sum, vector_i weights, uint32_t pair)
{
#if LANES == 16 && defined(__AVX512BF16__)
    return (vector_f)_mm512_dpbf16_ps((__m512)sum, (__m512bh)weights,
                                      (__m512bh)_mm512_set1_epi32((int)pair));
#else
    vector_f even = (vector_f)(weights << 16), odd = (vector_f)(weights & (int32_t)0xffff0000);
    sum = multiply_add(even, (vector_f)all_i((int32_t)(pair << 16)), sum);
    return multiply_add(odd, (vector_f)all_i((int32_t)(pair & 0xffff0000u)), sum);
#endif
}

INLINE void tile_bf16(const struct tile *t, int lane, int rows, int vectors, int lines,
                     int once)
{
    const uint8_t *weights = t->weights + 4 * lane, *fetch = t->fetch + 4 * lane;
    const uint8_t *x = t->x->values + t->row * t->x->row_bytes + 2 * t->first;
    vector_f sums[TILE_ROWS][SINGLE_VECTORS];
    load_sums(t, lane, rows, vectors, sums);
    for (int k = 0; k < t->inputs / 2; k++, weights += STEP_BYTES) {
        fetch = fetch_lines(fetch, t->fetch_step, lines, once);
        vector_i w[SINGLE_VECTORS];
        UNROLL for (int v = 0; v < vectors; v++)
            memcpy(&w[v], weights + v * LANES * 4, sizeof w[v]);
        UNROLL for (int r = 0; r < rows; r++) {
            uint32_t pair = load_word(x + r * t->x->row_bytes + 4 * (size_t)k);
            UNROLL for (int v = 0; v < vectors; v++)
                sums[r][v] = multiply_pairs(sums[r][v], w[v], pair);
        }
    }
    store_sums(t, lane, rows, vectors, sums);
}

#if LANES == 16
#define MULTIPLY_WORDS(a, b) ((vector_i)_mm512_madd_epi16((__m512i)(a), (__m512i)(b)))
#elif LANES == 8
#define MULTIPLY_WORDS(a, b) ((vector_i)_mm256_madd_epi16((__m256i)(a), (__m256i)(b)))
#elif defined(WITH_X86)
#define MULTIPLY_WORDS(a, b) ((vector_i)_mm_madd_epi16((__m128i)(a), (__m128i)(b)))
#endif

/* Four neighbouring inputs of each lane's output, times those of a row; exact. */
INLINE vector_i multiply_quads(vector_i sum, vector_i weights, uint32_t quad)
{
#if LANES == 16 && defined(__AVX512VNNI__)
    return (vector_i)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)weights,
                                         _mm512_set1_epi32((int)quad));
#elif LANES == 8 && defined(__AVXVNNI__)
    return (vector_i)_mm256_dpbusd_avx_epi32((__m256i)sum, (__m256i)weights,
                                             _mm256_set1_epi32((int)quad));
#elif defined(MULTIPLY_WORDS) /* as even and odd bytes: sums of byte products may not fit a word */
    typedef int16_t words __attribute__((vector_size(4 * LANES)));
    words x = (words)all_i((int32_t)quad);
    sum += MULTIPLY_WORDS(weights & 0x00ff00ff, x << 8 >> 8);
    return sum + MULTIPLY_WORDS(weights >> 8 & 0x00ff00ff, x >> 8);
#elif BYTE_OFFSET == 0
    return (vector_i)vdotq_s32((int32x4_t)sum, vreinterpretq_s8_s32((int32x4_t)weights),
                               vreinterpretq_s8_u32(vdupq_n_u32(quad)));
#else
    UNROLL for (int byte = 0; byte < 4; byte++)
        sum += ((weights >> (8 * byte)) & 255) * (int32_t)(int8_t)(quad >> (8 * byte));
    return sum;
#endif
}

/* One group of inputs: whole-number sums, started where they cancel the weights' offset. */
INLINE void sum_group(const struct tile *t, const uint8_t *weights, const uint8_t *x,
                      const uint8_t *fetch, int rows, int vectors, int lines, int once,
                      vector_i whole[TILE_ROWS][SINGLE_VECTORS])
{
    for (int k = 0; k < GROUP / 4; k++, weights += STEP_BYTES) {
        fetch = fetch_lines(fetch, t->fetch_step, lines, once);
        vector_i w[SINGLE_VECTORS];
        UNROLL for (int v = 0; v < vectors; v++)
            memcpy(&w[v], weights + v * LANES * 4, sizeof w[v]);
        UNROLL for (int r = 0; r < rows; r++) {
            uint32_t quad = load_word(x + r * t->x->row_bytes + 4 * k);
            UNROLL for (int v = 0; v < vectors; v++)
                whole[r][v] = multiply_quads(whole[r][v], w[v], quad);
        }
    }
}

/* The registers hold one group's whole sums; the float ones stay in memory, used once a group. */
INLINE void tile_int8(const struct tile *t, int lane, int rows, int vectors, int lines,
                     int once)
{
    const uint8_t *weights = t->weights, *fetch = t->fetch + 4 * lane;
    const uint8_t *x = t->x->values + t->row * t->x->row_bytes + t->first;
    size_t groups = t->x->groups, first_group = t->row * groups + t->first / GROUP;
    const float *scales = t->x->scales + first_group;
    const int32_t *starts = t->x->starts + first_group;
    for (int group = 0; group < t->inputs / GROUP; group++, weights += GROUP_BYTES, x += GROUP) {
        vector_i whole[TILE_ROWS][SINGLE_VECTORS];
        UNROLL for (int r = 0; r < rows; r++)
            UNROLL for (int v = 0; v < vectors; v++)
                whole[r][v] = all_i(starts[r * groups + group]);
        sum_group(t, weights + 4 * lane, x, fetch, rows, vectors, lines, once, whole);
        fetch += GROUP / 4 * t->fetch_step + t->fetch_group;
        const uint16_t *weight_scales = (const uint16_t *)(weights + PANEL * GROUP) + lane;
        vector_f scale[SINGLE_VECTORS];
        UNROLL for (int v = 0; v < vectors; v++)
            scale[v] = load_bf16(weight_scales + v * LANES);
        UNROLL for (int r = 0; r < rows; r++) {
            vector_f row_scale = all_f(scales[r * groups + group]);
            UNROLL for (int v = 0; v < vectors; v++) {
                float *sum = t->sums[r] + lane + v * LANES;
                store_f(sum, multiply_add(to_float(whole[r][v]), scale[v] * row_scale, load_f(sum)));
            }
        }
    }
}

INLINE void multiply_rows(enum precision precision, const struct tile *t, int rows, int most_lines,
                          int once)
{
    int vectors = rows == 1 ? SINGLE_VECTORS : TILE_VECTORS;
    int lines = vectors * LANES * 4 / LINE; /* that a step takes */
    lines = lines < most_lines ? lines : most_lines;
    for (int lane = 0; lane < PANEL; lane += vectors * LANES)
        if (precision == INT8)
            tile_int8(t, lane, rows, vectors, lines, once);
        else if (precision == BF16)
            tile_bf16(t, lane, rows, vectors, lines, once);
        else
            tile_fp32(t, lane, rows, vectors, lines, once);
}

typedef void tile_function(const struct tile *t, int rows);

/* The number of rows becomes a constant. Each kind is a function of its own: with a caller's
   variables in registers too, row pointers would spill in the loops. */
#define DEFINE_TILE(name, precision, lines, once)                                                  \
    static __attribute__((noinline)) void name(const struct tile *t, int rows)                     \
    {                                                                                              \
        switch (rows) {                                                                            \
        case 1: multiply_rows(precision, t, 1, lines, once); break;                                \
        case 2: multiply_rows(precision, t, 2, lines, once); break;                                \
        case 3: multiply_rows(precision, t, 3, lines, once); break;                                \
        case 4: multiply_rows(precision, t, 4, lines, once); break;                                \
        case 5: multiply_rows(precision, t, TILE_ROWS >= 5 ? 5 : 1, lines, once); break;           \
        case 6: multiply_rows(precision, t, TILE_ROWS >= 6 ? 6 : 1, lines, once); break;           \
        }                                                                                          \
    }

DEFINE_TILE(fp32_alone, FP32, STEP_BYTES / LINE, 1)
DEFINE_TILE(fp32_few, FP32, 2, 0)
DEFINE_TILE(fp32_many, FP32, 1, 0)
DEFINE_TILE(bf16_alone, BF16, STEP_BYTES / LINE, 1)
DEFINE_TILE(bf16_few, BF16, 2, 0)
DEFINE_TILE(bf16_many, BF16, 1, 0)
DEFINE_TILE(int8_alone, INT8, STEP_BYTES / LINE, 1)
DEFINE_TILE(int8_few, INT8, 2, 0)
DEFINE_TILE(int8_many, INT8, 1, 0)

/* By precision, and by how many tiles share the weights, and so how many lines a step asks for. */
#define FEW_TILES 3
enum company { ALONE, FEW, MANY };
static tile_function *const TILES[3][3] = {
    [FP32] = {fp32_alone, fp32_few, fp32_many},
    [BF16] = {bf16_alone, bf16_few, bf16_many},
    [INT8] = {int8_alone, int8_few, int8_many},
};

#endif
