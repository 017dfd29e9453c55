/* A packed matrix times some rows, and what becomes of the results.

   The panels of a matrix are spread over threads; a panel meets all rows in tiles of nearly equal
   height while it is in a near cache. It knows nothing about layers. */
#ifndef AIRSPLIT_PRODUCT_H
#define AIRSPLIT_PRODUCT_H

#include "pool.h"
#include "tiles.h"

#define ROWS 64 /* rows that run together: bounds scratch, and is past what a panel gains from */

/* How far ahead a single tile asks for weights: measured best on Zen 5, where plain loads reach
   32 GB/s and asking 1 to 16 KiB ahead reaches 42. */
#define AHEAD_BYTES 4096
/* Few tiles share a piece of a panel while it is in the first-level cache, each asking for its part
   of the next piece; more tiles are bound by arithmetic and take whole panels. */
#define PIECE_BYTES 16384

enum activation { GELU_TANH, SILU };

enum finish { PLAIN, GATED, LOGITS };

struct product {
    const struct matrix *matrix;
    const struct activations *x;
    float *out;
    size_t stride;
    int rows, precision;
    enum finish finish;
    enum activation activation; /* GATED */
    int outputs;                /* LOGITS: those that exist */
    float softcap;              /* LOGITS */
    const int32_t *places; /* LOGITS: where a row goes in `out`, or -1; NULL: where it stands */
    struct best *best;     /* LOGITS: [rows], this thread's; NULL: not asked for */
};

/* The likeliest of the outputs seen so far, for each lane; of equals the first. */
struct best {
    vector_f values;
    vector_i indices;
    vector_i broken; /* all ones where one was no finite number */
};

static void note_best(struct best *best, const float *tile, int first, int count)
{
    vector_i index;
    for (int i = 0; i < LANES; i++)
        index[i] = first + i;
    for (int i = 0; i < PANEL; i += LANES, index += LANES) {
        vector_f value = load_f(tile + i);
        vector_i exists = index < count;
        best->broken |= ~(magnitude(value) < all_f(INFINITY)) & exists;
        vector_i better = (value > best->values) & exists;
        best->values = choose(better, value, best->values);
        best->indices = (index & better) | (best->indices & ~better);
    }
}

/* What several threads found, as one: the index, or -1 where a number was not finite. */
static int32_t overall_best(const struct best *best, size_t stride, int threads)
{
    float value = -INFINITY;
    int32_t index = 0;
    for (int thread = 0; thread < threads; thread++, best += stride)
        for (int i = 0; i < LANES; i++) {
            if (best->broken[i])
                return -1;
            if (best->values[i] > value
                || (best->values[i] == value && best->indices[i] < index)) {
                value = best->values[i];
                index = best->indices[i];
            }
        }
    return index;
}

/* Where a row's results go; NULL: nowhere. */
static float *place_of(const struct product *p, int row)
{
    int place = p->places != NULL ? p->places[row] : row;
    return place < 0 ? NULL : p->out + place * p->stride;
}

/* A gated panel holds 32 outputs of the gate and the same 32 of the other projection. */
static void finish_gated(const struct product *p, const float *tile, float *out)
{
    for (int i = 0; i < PANEL / 2; i += LANES) {
        vector_f gate = load_f(tile + i), other = load_f(tile + PANEL / 2 + i);
        gate = p->activation == SILU ? silu(gate) : gelu_tanh(gate);
        store_f(out + i, gate * other);
    }
}

static void finish_row(const struct product *p, int panel, int row, float *tile)
{
    float *out = place_of(p, row);
    if (p->matrix->bias != NULL)
        for (int i = 0; i < PANEL; i += LANES)
            store_f(tile + i, load_f(tile + i) + load_f(p->matrix->bias + panel * PANEL + i));
    if (p->finish == LOGITS && p->softcap > 0.0f)
        for (int i = 0; i < PANEL; i += LANES)
            store_f(tile + i, soft_cap(load_f(tile + i), p->softcap));
    if (p->finish == GATED) {
        finish_gated(p, tile, out + (size_t)panel * (PANEL / 2));
        return;
    }
    if (p->best != NULL)
        note_best(&p->best[row], tile, panel * PANEL, p->outputs);
    if (out == NULL)
        return;
    int left = p->finish == LOGITS ? p->outputs - panel * PANEL : PANEL;
    memcpy(out + (size_t)panel * PANEL, tile, (size_t)(left < PANEL ? left : PANEL) * sizeof *out);
}

/* One piece of a panel times one tile of the rows. */
INLINE void multiply_part(enum precision precision, struct tile *t, int height, int part, int tiles)
{
    size_t bytes = panel_bytes(precision, t->inputs);
    size_t steps = (size_t)t->inputs / (precision == FP32 ? 1 : precision == BF16 ? 2 : 4);
    enum company company = tiles == 1 ? ALONE : tiles <= FEW_TILES ? FEW : MANY;
    if (company == ALONE) {
        t->fetch = t->weights + AHEAD_BYTES;
        t->fetch_step = STEP_BYTES;
        t->fetch_group = GROUP_BYTES - GROUP / 4 * STEP_BYTES;
    } else {
        t->fetch = t->weights + bytes + bytes * part / tiles;
        t->fetch_step = (bytes / tiles + steps - 1) / steps;
        t->fetch_group = 0;
    }
    TILES[precision][company](t, height);
}

/* Logits go to memory no cache holds; stores that wait for it would hold up the sums' own. */
INLINE void claim_results(const struct product *p, int panel, int row, int height)
{
    for (int r = row; p->finish == LOGITS && r < row + height; r++) {
        const float *out = place_of(p, r);
        for (int i = 0; out != NULL && i < PANEL; i += LINE / 4)
            __builtin_prefetch(out + (size_t)panel * PANEL + i, 1, 3);
    }
}

INLINE void run_panel(enum precision precision, const struct product *p, int panel)
{
    float sums[ROWS][PANEL] __attribute__((aligned(LINE)));
    size_t group_bytes = panel_bytes(precision, GROUP);
    int tiles = (p->rows + TILE_ROWS - 1) / TILE_ROWS, groups = p->matrix->inputs / GROUP;
    int pieces = 1;
    if (tiles > 1 && tiles <= FEW_TILES)
        pieces = (int)((groups * group_bytes + PIECE_BYTES - 1) / PIECE_BYTES);
    for (int piece = 0; piece < pieces; piece++) {
        int first = groups * piece / pieces, count = groups * (piece + 1) / pieces - first;
        struct tile t = {
            .weights = p->matrix->panels + ((size_t)panel * groups + first) * group_bytes,
            .x = p->x, .first = first * GROUP, .inputs = count * GROUP};
        for (int part = 0; part < tiles; part++) {
            t.row = p->rows * part / tiles;
            t.sums = sums + (pieces > 1 ? t.row : 0);
            int height = p->rows * (part + 1) / tiles - t.row;
            claim_results(p, panel, t.row, height);
            if (piece == 0)
                memset(t.sums, 0, sizeof *t.sums * height);
            multiply_part(precision, &t, height, part, tiles);
            for (int row = 0; piece == pieces - 1 && row < height; row++)
                finish_row(p, panel, t.row + row, t.sums[row]);
        }
    }
}

static void run_product(const struct product *p, int thread, int threads)
{
    int first, end;
    share(p->matrix->outputs / PANEL, threads, thread, &first, &end);
    for (int panel = first; panel < end; panel++)
        if (p->precision == FP32)
            run_panel(FP32, p, panel);
        else if (p->precision == BF16)
            run_panel(BF16, p, panel);
        else
            run_panel(INT8, p, panel);
}

#endif
