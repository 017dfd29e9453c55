/* What Python calls: open a stage or an output head, run rows, pack weights, choose.

   `native.py` mirrors the structures and checks their sizes. Everything was checked before it comes
   here: no function refuses anything but a lack of memory or threads. Rows run in blocks of up to
   ROWS through all layers. */
#include "choice.h"
#include "layers.h"

#define EXPORT __attribute__((visibility("default")))

/* NULL where memory or threads are not to be had. */
EXPORT struct stage *airsplit_open(const struct decoder *model)
{
    struct stage *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->model = *model;
    s->hidden = round_up(model->hidden, GROUP);
    s->dimension = round_up(model->head_dimension, DIMENSION_STEP);
    int query = model->heads * model->head_dimension;
    int projected = query + 2 * model->key_value_heads * model->head_dimension;
    int intermediate = round_up(model->intermediate, GROUP), mixed = round_up(query, GROUP);
    struct sizes sizes = {
        .inputs = largest_of(s->hidden, largest_of(intermediate, mixed)),
        .wide = largest_of(round_up(projected, PANEL), largest_of(intermediate, s->hidden)),
        .queries = model->heads * s->dimension,
        .mixed = mixed,
        .line = largest_of(s->hidden, HEAD_TILE * s->dimension),
        .context = round_up(model->capacity, BLOCK),
        .threads = model->threads,
        .precision = model->precision,
    };
    return open_stage(s, &sizes);
}

EXPORT struct stage *airsplit_open_output(const struct output *head)
{
    struct stage *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->head = *head;
    s->hidden = round_up(head->hidden, GROUP);
    struct sizes sizes = {.inputs = s->hidden, .line = s->hidden, .threads = head->threads,
                          .precision = head->precision, .best = head->threads * ROWS};
    return open_stage(s, &sizes);
}

/* Layers [first, end) of the stage's own; row i [hidden] belongs to slots[i] at positions[i]. */
EXPORT void airsplit_forward(struct stage *s, int32_t first, int32_t end, const uint8_t *in,
                             uint8_t *out, const int32_t *slots, const int32_t *positions,
                             int32_t count)
{
    size_t row_bytes = (size_t)s->model.hidden * (is_narrow(s) ? 2 : 4);
    for (int start = 0; start < count; start += ROWS) {
        struct call call = {
            .stage = s, .in = in + start * row_bytes, .out = out + start * row_bytes,
            .slots = slots + start, .positions = positions + start,
            .first_layer = first, .end_layer = end,
            .rows = count - start < ROWS ? count - start : ROWS};
        run_job(s->pool, run_layers, &call);
    }
}

/* Of each row the likeliest output, or -1 where one is no finite number; and, in `out` [][vocabulary]
   float, the logits of the rows that have a place there, others' being -1. */
EXPORT void airsplit_likeliest(struct stage *s, const uint8_t *in, float *out,
                               const int32_t *places, int32_t *likeliest, int32_t count)
{
    size_t row_bytes = (size_t)s->head.hidden * (s->head.precision != FP32 ? 2 : 4);
    for (int start = 0; start < count; start += ROWS) {
        struct call call = {
            .stage = s, .in = in + start * row_bytes,
            .out = (uint8_t *)out, .places = places + start, .likeliest = likeliest + start,
            .rows = count - start < ROWS ? count - start : ROWS};
        run_job(s->pool, run_head, &call);
    }
}

/* `out` is [count][vocabulary] float. */
EXPORT void airsplit_logits(struct stage *s, const uint8_t *in, float *out, int32_t count)
{
    size_t row_bytes = (size_t)s->head.hidden * (s->head.precision != FP32 ? 2 : 4);
    for (int start = 0; start < count; start += ROWS) {
        struct call call = {
            .stage = s, .in = in + start * row_bytes,
            .out = (uint8_t *)(out + (size_t)start * s->head.vocabulary),
            .rows = count - start < ROWS ? count - start : ROWS};
        run_job(s->pool, run_head, &call);
    }
}

EXPORT void airsplit_close(struct stage *s) { close_stage(s); }

EXPORT int64_t airsplit_scratch_bytes(const struct stage *s) { return (int64_t)s->memory_bytes; }

EXPORT int64_t airsplit_panel_bytes(int32_t precision, int32_t inputs)
{
    return (int64_t)panel_bytes(precision, inputs);
}

EXPORT void airsplit_pack(uint8_t *panel, int32_t precision, int32_t lane, int32_t stored,
                          const uint8_t *source, int32_t rows, int32_t columns)
{
    pack_rows(panel, precision, lane, stored, source, rows, columns);
}

EXPORT void airsplit_seed(struct twister *t, uint32_t seed) { seed_twister(t, seed); }

EXPORT void airsplit_skip(struct twister *t, int64_t count) { skip_variates(t, count); }

EXPORT int32_t airsplit_draw(struct twister *t, const float *probabilities, int32_t count)
{
    return draw(t, probabilities, count);
}

EXPORT float airsplit_kth_largest(const float *values, int64_t count, int64_t k, float *scratch)
{
    return kth_largest(values, count, k, scratch);
}

/* What must agree with Python's mirror of the structures. */
EXPORT int64_t airsplit_layout(int32_t which)
{
    switch (which) {
    case 0: return sizeof(struct layer);
    case 1: return sizeof(struct decoder);
    case 2: return sizeof(struct output);
    case 3: return BLOCK;
    case 4: return DIMENSION_STEP;
    case 5: return PANEL;
    case 6: return sizeof(struct twister);
    default: return GROUP;
    }
}

/* An elementary function on `count` floats, a multiple of 64, for tests. */
EXPORT void airsplit_evaluate(int32_t function, const float *in, float *out, int32_t count)
{
    for (int i = 0; i < count; i += LANES) {
        vector_f x = load_f(in + i);
        x = function == 0 ? exponential(x) : function == 1 ? hyperbolic_tangent(x)
            : function == 2 ? silu(x) : function == 3 ? gelu_tanh(x) : keep_bf16(x);
        store_f(out + i, x);
    }
}
