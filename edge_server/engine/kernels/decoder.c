/* Layers [start, end) of a decoder over many slots, and the final norm with the output projection.

   Python describes a stage in the structures below, which `fast_weights.py` mirrors, and owns the
   weights and the cache; this file owns scratch memory and threads, and allocates nothing per call.
   Everything was checked before it comes here. Rows run in blocks of up to ROWS through all layers;
   the residual is float inside a layer and, unless the precision is fp32, rounded to bfloat16 at
   its end, so that cutting a model at any layer changes nothing.
   It knows no tokens, no files and no sessions. */
#include "attention.h"
#include "product.h"

#define ROW_SKEW 64 /* bytes that keep neighbouring rows out of the same cache sets */
#define EXPORT __attribute__((visibility("default")))

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
};

static inline int round_up(int value, int step) { return (value + step - 1) / step * step; }

static inline int is_narrow(const struct stage *s) { return s->model.precision != FP32; }

/* ---- pieces of a layer, one row each ---- */

static float inverse_rms(const float *x, int padded, int count, float epsilon)
{
    vector_f squares = {0};
    for (int i = 0; i < padded; i += LANES) {
        vector_f value = load_f(x + i);
        squares = multiply_add(value, value, squares);
    }
    return 1.0f / sqrtf(sum_lanes(squares) / (float)count + epsilon);
}

/* `to` may be `x`. */
static void normalise(const float *x, const float *weight, int padded, int count, float epsilon,
                      float *to)
{
    float scale = inverse_rms(x, padded, count, epsilon);
    for (int i = 0; i < padded; i += LANES)
        store_f(to + i, load_f(x + i) * scale * load_f(weight + i));
}

static void rotate(float *x, const float *rope, int half)
{
    const float *cosine = rope, *sine = rope + half;
    for (int i = 0; i < half; i++) {
        float first = x[i], second = x[i + half];
        x[i] = first * cosine[i] - second * sine[i];
        x[i + half] = second * cosine[i] + first * sine[i];
    }
}

/* One head of a projected row, normalised and rotated, padded with zeros. */
static void place_head(const struct stage *s, const float *from, const float *norm,
                       const float *rope, float *to)
{
    int count = s->model.head_dimension;
    memcpy(to, from, (size_t)count * sizeof *to);
    memset(to + count, 0, (size_t)(s->dimension - count) * sizeof *to);
    if (norm != NULL)
        normalise(to, norm, s->dimension, count, s->model.norm_epsilon, to);
    if (rope != NULL)
        rotate(to, rope, count / 2);
}

static struct cache_view view_cache(const struct stage *s, int layer, int head, int slot,
                                    int position)
{
    const struct decoder *m = &s->model;
    size_t head_bytes = (size_t)2 * BLOCK * s->dimension * cache_element(is_narrow(s));
    int window = m->layer[layer].window;
    return (struct cache_view){
        .base = m->cache + slot * m->slot_bytes
                + ((size_t)layer * m->key_value_heads + head) * head_bytes,
        .block_bytes = (size_t)m->block_bytes,
        .dimension = s->dimension,
        .first = window > 0 && position >= window ? position - window + 1 : 0,
        .last = position,
    };
}

/* Projected queries, keys and values of one row: queries to scratch, the rest to the cache. */
static void split_heads(const struct call *call, int index, int row, int thread)
{
    const struct stage *s = call->stage;
    const struct decoder *m = &s->model;
    const struct layer *layer = &m->layer[index];
    const float *from = s->scratch.wide + row * s->scratch.wide_stride;
    const float *rope = layer->rope + (size_t)call->positions[row] * m->head_dimension;
    float *key = s->scratch.lines + thread * s->scratch.line, *value = key + s->dimension;
    float *queries = s->scratch.queries + (size_t)row * m->heads * s->dimension;
    for (int head = 0; head < m->heads; head++, from += m->head_dimension)
        place_head(s, from, layer->query_norm, rope, queries + (size_t)head * s->dimension);
    const float *values = from + (size_t)m->key_value_heads * m->head_dimension;
    for (int head = 0; head < m->key_value_heads; head++) {
        place_head(s, from + (size_t)head * m->head_dimension, layer->key_norm, rope, key);
        place_head(s, values + (size_t)head * m->head_dimension, NULL, NULL, value);
        struct cache_view view =
            view_cache(s, index, head, call->slots[row], call->positions[row]);
        remember(&view, key, value, is_narrow(s));
    }
}

/* Attention for one row and up to HEAD_TILE of its query heads. */
static void attend_row(const struct call *call, int index, int row, int first_head, int heads,
                       int thread)
{
    const struct stage *s = call->stage;
    const struct decoder *m = &s->model;
    int shared = m->heads / m->key_value_heads;
    struct cache_view view = view_cache(s, index, first_head / shared, call->slots[row],
                                        call->positions[row]);
    float *out = s->scratch.lines + thread * s->scratch.line;
    attend(&view, s->scratch.queries + ((size_t)row * m->heads + first_head) * s->dimension, heads,
           m->attention_scale, m->attention_softcap,
           s->scratch.scores + thread * HEAD_TILE * s->scratch.context, s->scratch.context, out,
           is_narrow(s));
    float *mixed = s->scratch.mixed + row * s->scratch.mixed_stride;
    for (int head = 0; head < heads; head++)
        memcpy(mixed + (size_t)(first_head + head) * m->head_dimension,
               out + (size_t)head * s->dimension, (size_t)m->head_dimension * sizeof *mixed);
}

/* residual += norm(addition); the norm is a sandwich's, or NULL. */
static void add_to_residual(const struct stage *s, int row, const float *norm)
{
    float *residual = s->scratch.residual + (size_t)row * s->hidden;
    float *addition = s->scratch.wide + row * s->scratch.wide_stride;
    if (norm != NULL)
        normalise(addition, norm, s->hidden, s->model.hidden, s->model.norm_epsilon, addition);
    for (int i = 0; i < s->hidden; i += LANES)
        store_f(residual + i, load_f(residual + i) + load_f(addition + i));
}

static void prepare_normed(const struct stage *s, int precision, int row, const float *norm,
                           int count, float epsilon, int thread)
{
    float *line = s->scratch.lines + thread * s->scratch.line;
    normalise(s->scratch.residual + (size_t)row * s->hidden, norm, s->hidden, count, epsilon, line);
    prepare_row(precision, line, &s->scratch.x, row, s->hidden);
}

/* ---- products ---- */

static void run_layer_product(const struct call *call, const struct matrix *matrix,
                              enum finish finish, struct pool *pool, int thread)
{
    const struct stage *s = call->stage;
    struct product product = {
        .matrix = matrix, .x = &s->scratch.x, .out = s->scratch.wide,
        .stride = s->scratch.wide_stride, .rows = call->rows, .precision = s->model.precision,
        .finish = finish, .activation = s->model.activation};
    run_product(&product, thread, pool->threads);
    meet(pool);
}

/* ---- a whole layer, run by every thread of the pool ---- */

static void prepare_rows(const struct call *call, const float *from, size_t stride, int inputs,
                         struct pool *pool, int thread)
{
    int first, end;
    share(call->rows, pool->threads, thread, &first, &end);
    for (int row = first; row < end; row++)
        prepare_row(call->stage->model.precision, from + row * stride, &call->stage->scratch.x, row,
                    inputs);
    meet(pool);
}

static void run_attention(const struct call *call, int index, struct pool *pool, int thread)
{
    const struct decoder *m = &call->stage->model;
    int shared = m->heads / m->key_value_heads;
    /* A single row has work for all threads only where its heads are spread over them. */
    int tile = call->rows < pool->threads ? 1 : HEAD_TILE;
    int tiles = (shared + tile - 1) / tile * m->key_value_heads;
    for (int unit = thread; unit < call->rows * tiles; unit += pool->threads) {
        int row = unit / tiles, part = unit % tiles, per_head = tiles / m->key_value_heads;
        int offset = part % per_head * tile;
        int heads = shared - offset < tile ? shared - offset : tile;
        attend_row(call, index, row, part / per_head * shared + offset, heads, thread);
    }
    meet(pool);
}

static void run_attention_block(const struct call *call, int index, struct pool *pool, int thread)
{
    struct stage *s = call->stage;
    const struct decoder *m = &s->model;
    const struct layer *layer = &m->layer[index];
    int first, end;
    share(call->rows, pool->threads, thread, &first, &end);
    for (int row = first; row < end; row++)
        prepare_normed(s, m->precision, row, layer->input_norm, m->hidden, m->norm_epsilon, thread);
    meet(pool);
    run_layer_product(call, &layer->query_key_value, PLAIN, pool, thread);
    for (int row = first; row < end; row++)
        split_heads(call, index, row, thread);
    meet(pool);
    run_attention(call, index, pool, thread);
    prepare_rows(call, s->scratch.mixed, s->scratch.mixed_stride, layer->attention_output.inputs,
                 pool, thread);
    run_layer_product(call, &layer->attention_output, PLAIN, pool, thread);
}

static void run_feed_forward_block(const struct call *call, int index, struct pool *pool,
                                   int thread)
{
    struct stage *s = call->stage;
    const struct decoder *m = &s->model;
    const struct layer *layer = &m->layer[index];
    int sandwich = layer->pre_feed_forward_norm != NULL;
    int first, end;
    share(call->rows, pool->threads, thread, &first, &end);
    for (int row = first; row < end; row++) {
        add_to_residual(s, row, sandwich ? layer->post_attention_norm : NULL);
        prepare_normed(s, m->precision, row,
                       sandwich ? layer->pre_feed_forward_norm : layer->post_attention_norm,
                       m->hidden, m->norm_epsilon, thread);
    }
    meet(pool);
    run_layer_product(call, &layer->gate_up, GATED, pool, thread);
    prepare_rows(call, s->scratch.wide, s->scratch.wide_stride, layer->down.inputs, pool, thread);
    run_layer_product(call, &layer->down, PLAIN, pool, thread);
    for (int row = first; row < end; row++) {
        float *residual = s->scratch.residual + (size_t)row * s->hidden;
        add_to_residual(s, row, layer->post_feed_forward_norm);
        for (int i = 0; is_narrow(s) && i < s->hidden; i += LANES)
            store_f(residual + i, keep_bf16(load_f(residual + i)));
    }
}

static void read_row(const struct stage *s, int narrow, int hidden, const uint8_t *in, int row)
{
    float *residual = s->scratch.residual + (size_t)row * s->hidden;
    enum stored stored = narrow ? STORED_BF16 : STORED_F32;
    for (int i = 0; i < hidden; i++)
        residual[i] = stored_value(stored, in, (size_t)row * hidden + i);
}

static void write_row(const struct call *call, int row)
{
    const struct stage *s = call->stage;
    const float *residual = s->scratch.residual + (size_t)row * s->hidden;
    size_t count = (size_t)s->model.hidden;
    if (!is_narrow(s)) {
        memcpy(call->out + row * count * 4, residual, count * 4);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        uint16_t value = bf16_bits(residual[i]);
        memcpy(call->out + (row * count + i) * 2, &value, sizeof value);
    }
}

static void run_layers(void *argument, struct pool *pool, int thread)
{
    const struct call *call = argument;
    int first, end;
    share(call->rows, pool->threads, thread, &first, &end);
    for (int row = first; row < end; row++)
        read_row(call->stage, is_narrow(call->stage), call->stage->model.hidden, call->in, row);
    /* A row's residual and norms belong to one thread, so no meeting is needed in between. */
    for (int index = call->first_layer; index < call->end_layer; index++) {
        run_attention_block(call, index, pool, thread);
        run_feed_forward_block(call, index, pool, thread);
    }
    for (int row = first; row < end; row++)
        write_row(call, row);
}

static void run_head(void *argument, struct pool *pool, int thread)
{
    const struct call *call = argument;
    struct stage *s = call->stage;
    const struct output *head = &s->head;
    int first, end;
    share(call->rows, pool->threads, thread, &first, &end);
    for (int row = first; row < end; row++) {
        read_row(s, head->precision != FP32, head->hidden, call->in, row);
        prepare_normed(s, head->precision, row, head->norm, head->hidden, head->norm_epsilon,
                       thread);
    }
    meet(pool);
    struct product product = {
        .matrix = &head->projection, .x = &s->scratch.x, .out = (float *)call->out,
        .stride = (size_t)head->vocabulary, .rows = call->rows, .precision = head->precision,
        .finish = LOGITS, .outputs = head->vocabulary, .softcap = head->logit_softcap};
    run_product(&product, thread, pool->threads);
}

/* ---- what Python calls ---- */

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
    int inputs, wide, queries, mixed, line, context, threads, precision;
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
    scratch->scores = carve(carver, sizeof(float) * z->threads * HEAD_TILE * z->context);
}

static int largest_of(int a, int b) { return a > b ? a : b; }

EXPORT void airsplit_close(struct stage *s)
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
        airsplit_close(s);
        return NULL;
    }
    carver = (struct carver){.memory = (uint8_t *)(((uintptr_t)s->memory + 63) & ~(uintptr_t)63)};
    carve_scratch(&carver, &s->scratch, s->hidden, z);
    return s;
}

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
                          .precision = head->precision};
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
