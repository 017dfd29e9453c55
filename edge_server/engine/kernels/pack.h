/* Packed matrices: how weights lie in memory, and how rows are made ready for them.

   A matrix is stored in panels of 64 outputs, and inside a panel input by input, so that each lane
   of a vector accumulates one output and walks the inputs in order. An output element is therefore
   the same sequence of operations whether one row is multiplied or sixty, and no sum over lanes is
   needed. Per panel, with `inputs` padded to a multiple of 64:

     fp32  [inputs][64] float
     bf16  [inputs / 2][64][2] bfloat16            rows: bfloat16, accumulated in float
     int8  [inputs / 64] of { [16][64][4] weight + BYTE_OFFSET, [64] bfloat16 scale }
           rows: signed bytes with a scale for each 64, so an outlier hurts only its own group

   It multiplies nothing and knows nothing about layers. */
#ifndef AIRSPLIT_PACK_H
#define AIRSPLIT_PACK_H

#include "lanes.h"

#define PANEL 64
#define GROUP 64 /* inputs that share a scale in int8, and what inputs are padded to */
#define GROUP_BYTES (PANEL * GROUP + 2 * PANEL)

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

/* `count` stored values as floats. */
static void widen(enum stored stored, const uint8_t *source, int count, float *to)
{
    if (stored == STORED_F32) {
        memcpy(to, source, (size_t)count * sizeof *to);
        return;
    }
    for (int k = 0; k < count; k++) {
        uint16_t half;
        memcpy(&half, source + 2 * k, sizeof half);
        if (stored == STORED_F16) {
            to[k] = half_to_float(half);
        } else {
            uint32_t bits = (uint32_t)half << 16;
            memcpy(to + k, &bits, sizeof bits);
        }
    }
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
        uint16_t narrow[GROUP];
        for (int k = 0; k < GROUP; k += LANES)
            store_bf16(narrow + k, load_f(weights + k));
        uint8_t *to = panel + (size_t)index * GROUP * PANEL * 2 + 4 * lane;
        for (int pair = 0; pair < GROUP / 2; pair++)
            memcpy(to + pair * 4 * PANEL, narrow + 2 * pair, 4);
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
            widen(stored, source + ((size_t)row * columns + start) * (stored == STORED_F32 ? 4 : 2),
                  count, weights);
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
        vector_i broken = {0};
        for (int k = 0; k < GROUP; k += LANES) {
            vector_f value = load_f(from + k);
            largest = larger(magnitude(value), largest);
            broken |= value != value;
        }
        /* No byte says "not a number": the scale does, so that no row loses it on its way. */
        float top = sum_whole((vector_u)broken) != 0 ? NAN : largest_lane(largest);
        /* Below the smallest normal number / 127 the division would overflow: that is zero. */
        float steps = top > 1e-30f ? 127.0f / top : 0.0f;
        vector_u sum = {0}; /* unsigned: what is not a number may wrap, in its own row */
        for (int k = 0; k < GROUP; k += LANES) {
            vector_f shifted = load_f(from + k) * steps + ROUNDING_MAGIC;
            vector_u level = (vector_u)shifted - ROUNDING_MAGIC_BITS;
            store_bytes(values + k, level);
            sum += level;
        }
        to->scales[row * to->groups + group] = top <= 1e-30f ? 0.0f : top / 127.0f;
        to->starts[row * to->groups + group] = (int32_t)(-(uint32_t)BYTE_OFFSET * sum_whole(sum));
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

#endif
