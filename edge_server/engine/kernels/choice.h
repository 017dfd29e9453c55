/* Parts of choosing a token among many: random draws as torch makes them, and the k-th largest.

   torch draws from a distribution by dividing every probability by an exponential variate of its
   own, two words of a Mersenne Twister each, and taking the largest. Nearly all of them cannot be
   the largest; their words are passed over without being turned into anything. The choice is the
   same to the last bit. It knows no models. */
#ifndef AIRSPLIT_CHOICE_H
#define AIRSPLIT_CHOICE_H

#include "lanes.h"

#define TWISTER_WORDS 624
#define TWISTER_SHIFT 397
#define PAIRS (TWISTER_WORDS / 2)
#define VARIATE_BITS 53 /* of a variate's two words: a double's mantissa */
#define UPPER_BITS 21   /* those of the first word */

struct twister {
    uint32_t words[TWISTER_WORDS];
    uint32_t used; /* words; even, as variates take two */
};

static void seed_twister(struct twister *t, uint32_t seed)
{
    t->words[0] = seed;
    for (uint32_t i = 1; i < TWISTER_WORDS; i++)
        t->words[i] = 1812433253u * (t->words[i - 1] ^ (t->words[i - 1] >> 30)) + i;
    t->used = TWISTER_WORDS;
}

INLINE uint32_t twist(uint32_t upper, uint32_t lower)
{
    return (((upper & 0x80000000u) | (lower & 0x7fffffffu)) >> 1) ^ ((0u - (lower & 1u)) & 0x9908b0dfu);
}

static void next_words(struct twister *t)
{
    uint32_t *w = t->words;
    for (int i = 0; i < TWISTER_WORDS - TWISTER_SHIFT; i++)
        w[i] = w[i + TWISTER_SHIFT] ^ twist(w[i], w[i + 1]);
    for (int i = TWISTER_WORDS - TWISTER_SHIFT; i < TWISTER_WORDS - 1; i++)
        w[i] = w[i - (TWISTER_WORDS - TWISTER_SHIFT)] ^ twist(w[i], w[i + 1]);
    w[TWISTER_WORDS - 1] = w[TWISTER_SHIFT - 1] ^ twist(w[TWISTER_WORDS - 1], w[0]);
    t->used = 0;
}

INLINE uint32_t temper(uint32_t y)
{
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

/* Pass over the variates of `count` probabilities. */
static void skip_variates(struct twister *t, int64_t count)
{
    while (count > 0) {
        if (t->used == TWISTER_WORDS)
            next_words(t);
        int64_t here = (TWISTER_WORDS - t->used) / 2;
        here = here < count ? here : count;
        t->used += (uint32_t)here * 2;
        count -= here;
    }
}

/* An exponential variate from two words. */
static float exponential_variate(const uint32_t *words)
{
    uint64_t bits = (uint64_t)temper(words[0]) << 32 | temper(words[1]);
    bits &= ((uint64_t)1 << VARIATE_BITS) - 1;
    return (float)-log1p(-((double)bits * 0x1p-53));
}

struct leader {
    float value;
    int32_t index;
};

/* The variate -log(1 - u) is at least u, and u at least what its first word says of it: who does not
   reach the leader even so need not be looked at. The margin is more than three roundings. */
static void draw_among(const uint32_t *words, const float *probabilities, int32_t first, int count,
                       struct leader *leader)
{
    uint8_t candidate[PAIRS + 8] = {0};
    float least = leader->value * (0x1p-21f * (1.0f - 0x1p-20f));
    for (int i = 0; i < count; i++) {
        float upper = (float)(int32_t)(temper(words[2 * i]) & ((1u << UPPER_BITS) - 1));
        candidate[i] = probabilities[i] > 0.0f && probabilities[i] >= upper * least;
    }
    for (int i = 0; i < count; i += 8) {
        uint64_t any;
        memcpy(&any, candidate + i, sizeof any);
        for (int j = i; any != 0 && j < i + 8; j++) {
            if (!candidate[j])
                continue;
            float value = probabilities[j] / exponential_variate(words + 2 * j);
            if (value > leader->value)
                *leader = (struct leader){value, first + j};
        }
    }
}

static int is_any_positive(const float *values, int count)
{
    int any = 0;
    for (int i = 0; i < count; i++)
        any |= values[i] > 0.0f;
    return any;
}

/* An index with the given probabilities, which are finite, sum to about 1 and are not negative. */
static int32_t draw(struct twister *t, const float *probabilities, int32_t count)
{
    struct leader leader = {0.0f, 0};
    for (int32_t at = 0; at < count;) {
        if (t->used == TWISTER_WORDS)
            next_words(t);
        int here = (int)(TWISTER_WORDS - t->used) / 2;
        here = here < count - at ? here : count - at;
        if (is_any_positive(probabilities + at, here))
            draw_among(t->words + t->used, probabilities + at, at, here, &leader);
        t->used += (uint32_t)here * 2;
        at += here;
    }
    return leader.index;
}

/* ---- the k-th largest ---- */

#define CANDIDATE_BLOCK 64

/* Rearranges; `k` counts from 1. */
static float select_largest(float *values, int64_t count, int64_t k)
{
    int64_t low = 0, high = count - 1, wanted = k - 1;
    while (low < high) {
        float pivot = values[low + (high - low) / 2];
        int64_t i = low, j = high;
        while (i <= j) {
            while (values[i] > pivot)
                i++;
            while (values[j] < pivot)
                j--;
            if (i <= j) {
                float value = values[i];
                values[i++] = values[j];
                values[j--] = value;
            }
        }
        if (wanted <= j)
            high = j;
        else if (wanted >= i)
            low = i;
        else
            break;
    }
    return values[wanted];
}

static float block_largest(const float *values, int count)
{
    float largest = values[0];
    if (count == CANDIDATE_BLOCK) {
        vector_f part = load_f(values);
        for (int i = LANES; i < CANDIDATE_BLOCK; i += LANES)
            part = larger(load_f(values + i), part);
        return largest_lane(part);
    }
    for (int i = 1; i < count; i++)
        largest = values[i] > largest ? values[i] : largest;
    return largest;
}

/* The k-th largest of `count` numbers, none of them NaN; `scratch` has room for as many and one
   more for each block. At least k numbers reach the k-th largest of the blocks' largest, and with
   few of them wanted, few more do. */
static float kth_largest(const float *values, int64_t count, int64_t k, float *scratch)
{
    int64_t blocks = (count + CANDIDATE_BLOCK - 1) / CANDIDATE_BLOCK, found = 0;
    float *largest = scratch + count, bound = -INFINITY;
    for (int64_t b = 0; b < blocks; b++) {
        int64_t left = count - b * CANDIDATE_BLOCK;
        largest[b] = block_largest(values + b * CANDIDATE_BLOCK,
                                   left < CANDIDATE_BLOCK ? (int)left : CANDIDATE_BLOCK);
    }
    if (k <= blocks) {
        memcpy(scratch, largest, (size_t)blocks * sizeof *scratch);
        bound = select_largest(scratch, blocks, k);
    }
    for (int64_t b = 0; b < blocks; b++)
        for (int64_t i = b * CANDIDATE_BLOCK;
             largest[b] >= bound && i < (b + 1) * CANDIDATE_BLOCK && i < count; i++)
            if (values[i] >= bound)
                scratch[found++] = values[i];
    return select_largest(scratch, found, k);
}

#endif
