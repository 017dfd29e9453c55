/* Matrix products: packed weights times rows.

   A matrix is stored in panels of 64 outputs, and inside a panel input by input, so that each lane
   of a vector accumulates one output and walks the inputs in order. An output element is therefore
   the same sequence of operations whether one row is multiplied or sixty, and no sum over lanes is
   needed. Per panel, with `inputs` padded to a multiple of 64:

     fp32  [inputs][64] float
     bf16  [inputs / 2][64][2] bfloat16            rows: bfloat16, accumulated in float
     int8  [inputs / 64] of { [16][64][4] weight + BYTE_OFFSET, [64] bfloat16 scale }
           rows: signed bytes with a scale for each 64, so an outlier hurts only its own group

   It knows nothing about layers. */
#ifndef AIRSPLIT_LINEAR_H
#define AIRSPLIT_LINEAR_H

#include "lanes.h"

#define PANEL 64 /* outputs side by side: four vectors of 16, which fill the registers by six rows */
#define GROUP 64 /* inputs that share a scale in int8, and what inputs are padded to */
#define GROUP_BYTES (PANEL * GROUP + 2 * PANEL)
#define PANEL_VECTORS (PANEL / LANES)

#if LANES == 16
#define TILE_VECTORS 4 /* rows * vectors accumulators + vectors weights + 1 <= 32 registers */
#define TILE_ROWS 6
#define BYTE_TILE_VECTORS 2 /* here each accumulator needs two registers, whole and float */
#define BYTE_WIDE_ROWS 3
#else
#define TILE_VECTORS 2 /* 16 registers */
#define TILE_ROWS 4
#define BYTE_TILE_VECTORS 1
#define BYTE_WIDE_ROWS 1
#endif

/* How far ahead of a single tile's multiplication weights are fetched: measured best on Zen 5, where
   plain loads reach 32 GB/s and 1 to 16 KiB ahead reach 42. */
#define AHEAD_BYTES 4096
#define LINE 64 /* bytes of a cache line */

#if defined(__ARM_FEATURE_DOTPROD) && defined(WITH_NEON)
#define BYTE_OFFSET 0 /* signed by signed bytes multiply directly */
#else
#define BYTE_OFFSET 128 /* x86 multiplies unsigned by signed bytes */
#endif

enum precision { FP32, BF16, INT8 };
enum stored { STORED_BF16, STORED_F16, STORED_F32 };

struct matrix {
    uint8_t *panels;
    const float *bias; /* [outputs], or NULL */
    int32_t inputs;    /* padded to GROUP */
    int32_t outputs;   /* padded to PANEL */
};

/* Rows on their way into a product, in its precision. */
struct activations {
    uint8_t *values;
    size_t row_bytes;
    float *scales;   /* int8: [row][groups] */
    int32_t *starts; /* int8: [row][groups], -BYTE_OFFSET * the group's sum */
    int groups;
};

static inline size_t panel_bytes(enum precision precision, int inputs)
{
    if (precision == INT8)
        return (size_t)(inputs / GROUP) * GROUP_BYTES;
    return (size_t)inputs * PANEL * (precision == FP32 ? 4 : 2);
}

/* ---- weights in ---- */

static float half_to_float(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = (half >> 10) & 31;
    uint32_t bits = (uint32_t)(half & 0x3ff) << 13;
    float value;
    if (exponent == 0) { /* zero or subnormal: mantissa * 2^-24 */
        value = (float)(half & 0x3ff) * 0x1p-24f;
        return sign ? -value : value;
    }
    bits |= sign | (exponent == 31 ? 0x7f800000u : (exponent + 112) << 23);
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float stored_value(enum stored stored, const uint8_t *source, size_t index)
{
    uint16_t half;
    uint32_t bits;
    float value;
    if (stored == STORED_F32) {
        memcpy(&value, source + 4 * index, sizeof value);
        return value;
    }
    memcpy(&half, source + 2 * index, sizeof half);
    if (stored == STORED_F16)
        return half_to_float(half);
    bits = (uint32_t)half << 16;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint16_t bf16_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (value != value)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

/* The smallest bfloat16 scale by which 127 steps reach `largest`. */
static uint16_t weight_scale(float largest, float *scale)
{
    float exact = largest / 127.0f;
    uint32_t bits;
    memcpy(&bits, &exact, sizeof bits);
    bits = (bits + 0xffff) & 0xffff0000u;
    memcpy(scale, &bits, sizeof bits);
    return (uint16_t)(bits >> 16);
}

static void pack_bytes(uint8_t *group, int lane, const float *weights)
{
    float largest = 0.0f, scale;
    for (int k = 0; k < GROUP; k++)
        largest = fabsf(weights[k]) > largest ? fabsf(weights[k]) : largest;
    uint16_t stored = weight_scale(largest, &scale);
    memcpy(group + PANEL * GROUP + 2 * lane, &stored, sizeof stored);
    for (int k = 0; k < GROUP; k++) {
        int level = scale > 0.0f ? (int)lrintf(weights[k] / scale) : 0;
        level = level > 127 ? 127 : level < -127 ? -127 : level;
        group[(k / 4) * 4 * PANEL + 4 * lane + k % 4] = (uint8_t)(level + BYTE_OFFSET);
    }
}

/* One group of inputs of one output into its lane of a panel. */
static void pack_group(uint8_t *panel, enum precision precision, int index, int lane,
                       const float *weights)
{
    if (precision == INT8) {
        pack_bytes(panel + (size_t)index * GROUP_BYTES, lane, weights);
    } else if (precision == FP32) {
        float *to = (float *)panel + (size_t)index * GROUP * PANEL + lane;
        for (int k = 0; k < GROUP; k++)
            to[k * PANEL] = weights[k];
    } else {
        uint16_t *to = (uint16_t *)panel + (size_t)index * GROUP * PANEL + 2 * lane;
        for (int k = 0; k < GROUP; k++)
            to[(k / 2) * 2 * PANEL + k % 2] = bf16_bits(weights[k]);
    }
}

/* `rows` stored rows of `columns` into the lanes of `panel` from `lane` on; padding stays zero. */
static void pack_rows(uint8_t *panel, enum precision precision, int lane, enum stored stored,
                      const uint8_t *source, int rows, int columns)
{
    for (int start = 0; start < columns; start += GROUP) {
        int count = columns - start < GROUP ? columns - start : GROUP;
        for (int row = 0; row < rows; row++) {
            float weights[GROUP] = {0};
            for (int k = 0; k < count; k++)
                weights[k] = stored_value(stored, source, (size_t)row * columns + start + k);
            pack_group(panel, precision, start / GROUP, lane + row, weights);
        }
    }
}

/* ---- rows in ---- */

static void prepare_bytes(const float *from, const struct activations *to, int row, int inputs)
{
    int8_t *values = (int8_t *)to->values + row * to->row_bytes;
    for (int group = 0; group < inputs / GROUP; group++, from += GROUP, values += GROUP) {
        vector_f largest = {0};
        for (int k = 0; k < GROUP; k += LANES)
            largest = larger(magnitude(load_f(from + k)), largest);
        float top = largest_lane(largest);
        /* Below the smallest normal number / 127 the division would overflow: that is zero. */
        float steps = top > 1e-30f ? 127.0f / top : 0.0f;
        vector_i sum = {0};
        for (int k = 0; k < GROUP; k += LANES) {
            vector_f shifted = load_f(from + k) * steps + ROUNDING_MAGIC;
            vector_i level = (vector_i)shifted - 0x4b400000;
            typedef int8_t vector_b __attribute__((vector_size(LANES)));
            vector_b narrow = __builtin_convertvector(level, vector_b);
            memcpy(values + k, &narrow, sizeof narrow);
            sum += level;
        }
        int32_t total = 0;
        for (int i = 0; i < LANES; i++)
            total += sum[i];
        to->scales[row * to->groups + group] = top > 1e-30f ? top / 127.0f : 0.0f;
        to->starts[row * to->groups + group] = -BYTE_OFFSET * total;
    }
}

/* `inputs` floats (padded with zeros) become row `row` of `to`. */
static void prepare_row(enum precision precision, const float *from, const struct activations *to,
                        int row, int inputs)
{
    uint8_t *values = to->values + row * to->row_bytes;
    if (precision == INT8)
        prepare_bytes(from, to, row, inputs);
    else if (precision == FP32)
        memcpy(values, from, (size_t)inputs * sizeof *from);
    else
        for (int k = 0; k < inputs; k += LANES)
            store_bf16((uint16_t *)values + k, load_f(from + k));
}

/* ---- tiles: `rows` rows by `vectors` vectors of outputs, all in registers ---- */

/* One tile's work; every argument below that sizes a loop is a constant where it is inlined. */
struct tile {
    const uint8_t *weights; /* of the panel */
    const uint8_t *fetch;   /* weights that come later, fetched meanwhile, a piece a step */
    size_t fetch_step;      /* bytes of a piece */
    const struct activations *x;
    int row; /* the first */
    int inputs;
    float (*out)[PANEL]; /* [rows][PANEL] */
};

INLINE uint32_t load_word(const uint8_t *from)
{
    uint32_t word;
    memcpy(&word, from, sizeof word);
    return word;
}

/* Memory is slower than arithmetic for few rows and idle meanwhile for many, unless asked ahead. */
INLINE const uint8_t *fetch_lines(const uint8_t *at, size_t step, int lines)
{
    UNROLL for (int line = 0; line < lines; line++)
        __builtin_prefetch(at + line * LINE, 0, 2);
    return at + step;
}

INLINE void store_tile(const struct tile *t, int lane, int rows, int vectors,
                       vector_f sums[TILE_ROWS][PANEL_VECTORS])
{
    UNROLL for (int r = 0; r < rows; r++)
        UNROLL for (int v = 0; v < vectors; v++)
            store_f(t->out[r] + lane + v * LANES, sums[r][v]);
}

INLINE void tile_fp32(const struct tile *t, int lane, int rows, int vectors, int lines)
{
    const float *weights = (const float *)t->weights + lane;
    const uint8_t *x = t->x->values + t->row * t->x->row_bytes, *fetch = t->fetch + 4 * lane;
    vector_f sums[TILE_ROWS][PANEL_VECTORS] = {0};
    for (int k = 0; k < t->inputs; k++, weights += PANEL) {
        fetch = fetch_lines(fetch, t->fetch_step, lines);
        vector_f w[PANEL_VECTORS];
        UNROLL for (int v = 0; v < vectors; v++)
            w[v] = load_f(weights + v * LANES);
        UNROLL for (int r = 0; r < rows; r++) {
            float value;
            memcpy(&value, x + r * t->x->row_bytes + 4 * (size_t)k, sizeof value);
            UNROLL for (int v = 0; v < vectors; v++)
                sums[r][v] = multiply_add(w[v], all_f(value), sums[r][v]);
        }
    }
    store_tile(t, lane, rows, vectors, sums);
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

INLINE void tile_bf16(const struct tile *t, int lane, int rows, int vectors, int lines)
{
    const uint8_t *weights = t->weights + 4 * lane, *fetch = t->fetch + 4 * lane;
    const uint8_t *x = t->x->values + t->row * t->x->row_bytes;
    vector_f sums[TILE_ROWS][PANEL_VECTORS] = {0};
    for (int k = 0; k < t->inputs / 2; k++, weights += 4 * PANEL) {
        fetch = fetch_lines(fetch, t->fetch_step, lines);
        vector_i w[PANEL_VECTORS];
        UNROLL for (int v = 0; v < vectors; v++)
            memcpy(&w[v], weights + v * LANES * 4, sizeof w[v]);
        UNROLL for (int r = 0; r < rows; r++) {
            uint32_t pair = load_word(x + r * t->x->row_bytes + 4 * (size_t)k);
            UNROLL for (int v = 0; v < vectors; v++)
                sums[r][v] = multiply_pairs(sums[r][v], w[v], pair);
        }
    }
    store_tile(t, lane, rows, vectors, sums);
}

/* Four neighbouring inputs of each lane's output, times those of a row; exact. */
INLINE vector_i multiply_quads(vector_i sum, vector_i weights, uint32_t quad)
{
#if LANES == 16 && defined(__AVX512VNNI__)
    return (vector_i)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)weights,
                                         _mm512_set1_epi32((int)quad));
#elif LANES == 8 && defined(__AVXVNNI__)
    return (vector_i)_mm256_dpbusd_avx_epi32((__m256i)sum, (__m256i)weights,
                                             _mm256_set1_epi32((int)quad));
#elif LANES == 8
    __m256i x = _mm256_set1_epi32((int)quad), bytes = _mm256_set1_epi32(0x00ff00ff);
    __m256i even = _mm256_and_si256((__m256i)weights, bytes);
    __m256i odd = _mm256_and_si256(_mm256_srli_epi32((__m256i)weights, 8), bytes);
    __m256i x_even = _mm256_srai_epi16(_mm256_slli_epi16(x, 8), 8);
    sum += (vector_i)_mm256_madd_epi16(even, x_even);
    return sum + (vector_i)_mm256_madd_epi16(odd, _mm256_srai_epi16(x, 8));
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
                      const uint8_t *fetch, int rows, int vectors, int lines,
                      vector_i whole[TILE_ROWS][PANEL_VECTORS])
{
    for (int k = 0; k < GROUP / 4; k++, weights += 4 * PANEL) {
        fetch = fetch_lines(fetch, t->fetch_step, lines);
        vector_i w[PANEL_VECTORS];
        UNROLL for (int v = 0; v < vectors; v++)
            memcpy(&w[v], weights + v * LANES * 4, sizeof w[v]);
        UNROLL for (int r = 0; r < rows; r++) {
            uint32_t quad = load_word(x + r * t->x->row_bytes + 4 * k);
            UNROLL for (int v = 0; v < vectors; v++)
                whole[r][v] = multiply_quads(whole[r][v], w[v], quad);
        }
    }
}

INLINE void tile_int8(const struct tile *t, int lane, int rows, int vectors, int lines)
{
    const uint8_t *weights = t->weights, *fetch = t->fetch + 4 * lane;
    const uint8_t *x = t->x->values + t->row * t->x->row_bytes;
    const float *scales = t->x->scales + t->row * t->x->groups;
    const int32_t *starts = t->x->starts + t->row * t->x->groups;
    vector_f sums[TILE_ROWS][PANEL_VECTORS] = {0};
    for (int group = 0; group < t->inputs / GROUP; group++, weights += GROUP_BYTES, x += GROUP) {
        vector_i whole[TILE_ROWS][PANEL_VECTORS];
        UNROLL for (int r = 0; r < rows; r++)
            UNROLL for (int v = 0; v < vectors; v++)
                whole[r][v] = all_i(starts[r * t->x->groups + group]);
        sum_group(t, weights + 4 * lane, x, fetch, rows, vectors, lines, whole);
        fetch += GROUP / 4 * t->fetch_step + (t->fetch_step == 4 * PANEL ? 2 * PANEL : 0);
        const uint16_t *weight_scales = (const uint16_t *)(weights + PANEL * GROUP) + lane;
        UNROLL for (int v = 0; v < vectors; v++) {
            vector_f scale = load_bf16(weight_scales + v * LANES);
            UNROLL for (int r = 0; r < rows; r++)
                sums[r][v] = multiply_add(to_float(whole[r][v]),
                                          scale * scales[r * t->x->groups + group], sums[r][v]);
        }
    }
    store_tile(t, lane, rows, vectors, sums);
}

INLINE void tile_rows(enum precision precision, const struct tile *t, int rows, int lines)
{
    /* In int8 an accumulator is two registers; few rows can still take a panel's whole width. */
    int byte_vectors = rows <= BYTE_WIDE_ROWS ? TILE_VECTORS : BYTE_TILE_VECTORS;
    int vectors = precision == INT8 ? byte_vectors : TILE_VECTORS;
    for (int lane = 0; lane < PANEL; lane += vectors * LANES)
        if (precision == INT8)
            tile_int8(t, lane, rows, vectors, lines);
        else if (precision == BF16)
            tile_bf16(t, lane, rows, vectors, lines);
        else
            tile_fp32(t, lane, rows, vectors, lines);
}

/* `rows` (1 to TILE_ROWS) rows times one panel. */
INLINE void multiply_tile(enum precision precision, const struct tile *t, int rows, int lines)
{
    switch (rows) {
    case 1: tile_rows(precision, t, 1, lines); break;
    case 2: tile_rows(precision, t, 2, lines); break;
    case 3: tile_rows(precision, t, 3, lines); break;
    case 4: tile_rows(precision, t, 4, lines); break;
#if TILE_ROWS == 6
    case 5: tile_rows(precision, t, 5, lines); break;
    case 6: tile_rows(precision, t, 6, lines); break;
#endif
    }
}

INLINE void multiply_panel(enum precision precision, const struct tile *t, int rows, int tiles)
{
    if (tiles == 1)
        multiply_tile(precision, t, rows, 4);
    else if (tiles <= 3)
        multiply_tile(precision, t, rows, 2);
    else
        multiply_tile(precision, t, rows, 1);
}

/* The `part`th of `tiles` tiles of one panel; each fetches its share of what comes next. */
static void multiply(enum precision precision, struct tile *t, int rows, int part, int tiles)
{
    size_t bytes = panel_bytes(precision, t->inputs), step = precision == FP32 ? 1 : precision == BF16 ? 2 : 4;
    size_t steps = t->inputs / step;
    t->fetch_step = tiles == 1 ? 4 * PANEL : (bytes / tiles + steps - 1) / steps;
    t->fetch = t->weights + (tiles == 1 ? AHEAD_BYTES : bytes + bytes * part / tiles);
    if (precision == FP32)
        multiply_panel(FP32, t, rows, tiles);
    else if (precision == BF16)
        multiply_panel(BF16, t, rows, tiles);
    else
        multiply_panel(INT8, t, rows, tiles);
}

#endif
