/* Vectors of LANES floats, and the elementary functions on them.

   Everything here is a fixed sequence of operations per element: no fast-math, no contraction left
   to the compiler (build with -ffp-contract=off), so that the same numbers come out wherever in a
   loop, a tile or a thread they are computed. That is what makes results independent of batching.
   It knows nothing about models. */
#ifndef AIRSPLIT_LANES_H
#define AIRSPLIT_LANES_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if !defined(AIRSPLIT_PORTABLE) && defined(__x86_64__)
#include <immintrin.h>
#define WITH_X86 1
#endif
#if !defined(AIRSPLIT_PORTABLE) && defined(__aarch64__)
#include <arm_neon.h>
#define WITH_NEON 1
#endif

#if defined(WITH_X86) && defined(__AVX512F__) && defined(__AVX512BW__)
#define LANES 16
#elif defined(WITH_X86) && defined(__AVX2__) && defined(__FMA__)
#define LANES 8
#else
#define LANES 4
#endif

#define LINE 64 /* bytes of a cache line */
#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

typedef float vector_f __attribute__((vector_size(4 * LANES)));
typedef int32_t vector_i __attribute__((vector_size(4 * LANES)));
typedef uint32_t vector_u __attribute__((vector_size(4 * LANES)));
typedef uint16_t vector_h __attribute__((vector_size(2 * LANES)));

INLINE vector_f load_f(const float *from)
{
    vector_f value;
    memcpy(&value, from, sizeof value);
    return value;
}

INLINE void store_f(float *to, vector_f value) { memcpy(to, &value, sizeof value); }

INLINE vector_f all_f(float value) { return value - (vector_f){0}; }

INLINE vector_i all_i(int32_t value) { return value - (vector_i){0}; }

/* a * b + c; rounded once where the processor can, and then everywhere. */
INLINE vector_f multiply_add(vector_f a, vector_f b, vector_f c)
{
#if defined(WITH_X86) && LANES == 16
    return (vector_f)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(WITH_X86) && LANES == 8
    return (vector_f)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(WITH_NEON)
    return (vector_f)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
    return a * b + c;
#endif
}

INLINE vector_f to_float(vector_i value) { return __builtin_convertvector(value, vector_f); }

INLINE vector_f choose(vector_i condition, vector_f yes, vector_f no)
{
    return (vector_f)(((vector_i)yes & condition) | ((vector_i)no & ~condition));
}

INLINE vector_f larger(vector_f a, vector_f b) { return choose(a > b, a, b); }

INLINE vector_f smaller(vector_f a, vector_f b) { return choose(a < b, a, b); }

INLINE vector_f magnitude(vector_f a) { return (vector_f)((vector_i)a & 0x7fffffff); }

/* Where intrinsics are used from here on, gcc 12 makes many instructions of the same in vectors. */

/* Sum over the lanes, always in the same order: halves onto halves. */
INLINE float sum_lanes(vector_f value)
{
    float part[LANES];
    store_f(part, value);
    for (int width = LANES / 2; width > 0; width /= 2)
        for (int i = 0; i < width; i++)
            part[i] += part[i + width];
    return part[0];
}

INLINE float largest_lane(vector_f value)
{
#if LANES == 16
    return _mm512_reduce_max_ps((__m512)value);
#else
    float part[LANES];
    store_f(part, value);
    for (int width = LANES / 2; width > 0; width /= 2)
        for (int i = 0; i < width; i++)
            part[i] = part[i + width] > part[i] ? part[i + width] : part[i];
    return part[0];
#endif
}

/* Whole numbers; they may wrap. */
INLINE uint32_t sum_whole(vector_u value)
{
#if LANES == 16
    return (uint32_t)_mm512_reduce_add_epi32((__m512i)value);
#else
    uint32_t total = 0;
    for (int i = 0; i < LANES; i++)
        total += value[i];
    return total;
#endif
}

/* The lowest byte of each lane. */
INLINE void store_bytes(int8_t *to, vector_u value)
{
#if LANES == 16
    _mm_storeu_si128((__m128i *)to, _mm512_cvtepi32_epi8((__m512i)value));
#else
    typedef int8_t vector_b __attribute__((vector_size(LANES)));
    vector_b narrow = __builtin_convertvector((vector_i)value, vector_b);
    memcpy(to, &narrow, sizeof narrow);
#endif
}

/* bfloat16 is the upper half of a float; to nearest, ties to even; a NaN stays one. */
INLINE vector_u round_bf16(vector_f value)
{
    vector_u bits = (vector_u)value;
    vector_u rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    vector_u is_nan = (vector_u)(value != value);
    return (rounded & ~is_nan) | (((bits >> 16) | 0x40) & is_nan);
}

INLINE uint16_t bf16_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (value != value)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

INLINE void store_bf16(uint16_t *to, vector_f value)
{
    vector_u rounded = round_bf16(value);
#if LANES == 16
    _mm256_storeu_si256((__m256i *)to, _mm512_cvtepi32_epi16((__m512i)rounded));
#else
    vector_h narrow = __builtin_convertvector(rounded, vector_h);
    memcpy(to, &narrow, sizeof narrow);
#endif
}

INLINE vector_f load_bf16(const uint16_t *from)
{
#if LANES == 16
    vector_u wide = (vector_u)_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)from));
#elif LANES == 8
    vector_u wide = (vector_u)_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)from));
#else
    vector_h narrow;
    memcpy(&narrow, from, sizeof narrow);
    vector_u wide = __builtin_convertvector(narrow, vector_u);
#endif
    return (vector_f)(wide << 16);
}

INLINE vector_f keep_bf16(vector_f value) { return (vector_f)(round_bf16(value) << 16); }

/* Nearest whole number, ties to even, for magnitudes below 2^22. */
#define ROUNDING_MAGIC 12582912.0f /* 1.5 * 2^23: what is added falls on the last mantissa bit */
#define ROUNDING_MAGIC_BITS 0x4b400000

/* e^x after Cephes' expf, relative error below 2e-7; 0 below -87.3, and never infinite. */
INLINE vector_f exponential(vector_f x)
{
    vector_f bounded = larger(smaller(x, all_f(88.0f)), all_f(-87.3f));
    vector_f shifted = multiply_add(bounded, all_f(1.44269504088896341f), all_f(ROUNDING_MAGIC));
    vector_f n = shifted - ROUNDING_MAGIC;
    vector_f r = multiply_add(n, all_f(-0.693359375f), bounded);
    r = multiply_add(n, all_f(2.12194440e-4f), r);
    vector_f p = all_f(1.9875691500e-4f);
    p = multiply_add(p, r, all_f(1.3981999507e-3f));
    p = multiply_add(p, r, all_f(8.3334519073e-3f));
    p = multiply_add(p, r, all_f(4.1665795894e-2f));
    p = multiply_add(p, r, all_f(1.6666665459e-1f));
    p = multiply_add(p, r, all_f(5.0000001201e-1f));
    p = multiply_add(p, r * r, r) + 1.0f;
    vector_i exponent = (vector_i)shifted - ROUNDING_MAGIC_BITS;
    vector_f result = p * (vector_f)((exponent + 127) << 23);
    return choose(x < -87.3f, (vector_f){0}, result);
}

/* tanh after Cephes' tanhf: a polynomial near 0, where 1 - 2 / (e^2x + 1) would cancel. */
INLINE vector_f hyperbolic_tangent(vector_f x)
{
    vector_f z = x * x;
    vector_f p = all_f(-5.70498872745e-3f);
    p = multiply_add(p, z, all_f(2.06390887954e-2f));
    p = multiply_add(p, z, all_f(-5.37397155531e-2f));
    p = multiply_add(p, z, all_f(1.33314422036e-1f));
    p = multiply_add(p, z, all_f(-3.33332819422e-1f));
    vector_f near = multiply_add(p * z, x, x);
    vector_f size = magnitude(x);
    vector_f far = 1.0f - 2.0f / (exponential(size + size) + 1.0f);
    far = (vector_f)((vector_i)far | ((vector_i)x & INT32_MIN));
    return choose(size < 0.625f, near, far);
}

INLINE vector_f soft_cap(vector_f x, float cap)
{
    return hyperbolic_tangent(x / cap) * cap;
}

/* x * sigmoid(x) */
INLINE vector_f silu(vector_f x) { return x / (1.0f + exponential(-x)); }

/* GELU in its tanh form; (1 + tanh(u)) / 2 is sigmoid(2 u), which does not cancel. */
INLINE vector_f gelu_tanh(vector_f x)
{
    vector_f u = multiply_add(x * x * x, all_f(0.044715f), x) * 0.7978845608028654f;
    return x / (1.0f + exponential(-(u + u)));
}

#endif
