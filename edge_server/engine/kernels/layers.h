/* The layers of a decoder, and its output head, run by every thread of a stage's pool.

   Work on rows is spread over threads by rows, products by their outputs, attention by rows and
   heads; threads meet where one needs another's results. The residual is float inside a layer and,
   unless the precision is fp32, rounded to bfloat16 at its end, so that cutting a model at any layer
   changes nothing. It knows no tokens and no sessions. */
#ifndef AIRSPLIT_LAYERS_H
#define AIRSPLIT_LAYERS_H

#include "stage.h"

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
    struct mixture mixture = {
        .queries = s->scratch.queries + ((size_t)row * m->heads + first_head) * s->dimension,
        .scores = s->scratch.scores + thread * HEAD_TILE * s->scratch.context,
        .stride = s->scratch.context, .out = out,
        .scale = m->attention_scale, .cap = m->attention_softcap};
    attend(&view, &mixture, heads, is_narrow(s));
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

/* ---- a whole layer, run by every thread of the pool ---- */

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
    widen(narrow ? STORED_BF16 : STORED_F32, in + (size_t)row * hidden * (narrow ? 2 : 4), hidden,
          s->scratch.residual + (size_t)row * s->hidden);
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
    struct best *best = s->scratch.best + (size_t)thread * ROWS;
    for (int row = 0; row < call->rows; row++)
        best[row] = (struct best){.values = all_f(-INFINITY)};
    meet(pool);
    struct product product = {
        .matrix = &head->projection, .x = &s->scratch.x, .out = (float *)call->out,
        .stride = (size_t)head->vocabulary, .rows = call->rows, .precision = head->precision,
        .finish = LOGITS, .outputs = head->vocabulary, .softcap = head->logit_softcap,
        .places = call->places, .best = call->likeliest != NULL ? best : NULL};
    run_product(&product, thread, pool->threads);
    if (call->likeliest == NULL)
        return;
    meet(pool);
    for (int row = first; row < end; row++)
        call->likeliest[row] = overall_best(s->scratch.best + row, ROWS, pool->threads);
}

#endif
