"""Small seeded checkpoints of every family, written as transformers itself writes them.

Sizes are chosen so that every mechanism is at work: grouped heads, a sliding window shorter than
the prompts, soft caps, both kinds of rotary embedding, tied and untied embeddings; of GPT-2 and
GPT-J learned positions, fused projections, and heads of which some dimensions rotate.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    Gemma2Config,
    Gemma3TextConfig,
    GemmaConfig,
    GPT2Config,
    GPTJConfig,
    LlamaConfig,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
)
from transformers.models.auto import AutoModelForCausalLM

FAMILIES = ("gemma", "gemma2", "gemma3", "llama")  # those the compiled kernels run
GPT_FAMILIES = ("gpt2", "gptj")  # run by `reference` alone
ALL_FAMILIES = (*FAMILIES, *GPT_FAMILIES)
LAYERS = 4
WINDOW = 8
VOCABULARY = 160
POSITIONS = 80  # of the families whose positions end: fewer than conversations may have tokens
_COMMON: dict[str, Any] = {
    "vocab_size": VOCABULARY, "hidden_size": 64, "intermediate_size": 96,
    "num_hidden_layers": LAYERS, "num_attention_heads": 4, "num_key_value_heads": 2,
    "head_dim": 16, "max_position_embeddings": 512, "pad_token_id": 0, "eos_token_id": 1,
    "bos_token_id": 2, "initializer_range": 0.2,
}

_GPT: dict[str, Any] = {
    "vocab_size": VOCABULARY, "n_embd": 64, "n_inner": 96, "n_layer": LAYERS, "n_head": 4,
    "n_positions": POSITIONS, "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2,
    "initializer_range": 0.2,
}


def configuration(family: str) -> PreTrainedConfig:
    """A small configuration of `family`."""
    if family == "gemma":
        return GemmaConfig(**_COMMON)
    if family == "gemma2":
        return Gemma2Config(**_COMMON, sliding_window=WINDOW, query_pre_attn_scalar=24)
    if family == "gemma3":
        return Gemma3TextConfig(
            **_COMMON, sliding_window=WINDOW, query_pre_attn_scalar=16,
            layer_types=["sliding_attention", "full_attention"] * (LAYERS // 2))
    if family == "gpt2":
        return GPT2Config(**_GPT)
    if family == "gptj":
        return GPTJConfig(**_GPT, rotary_dim=8)
    scaled = {"rope_type": "llama3", "rope_theta": 10_000.0, "factor": 4.0, "low_freq_factor": 1.0,
              "high_freq_factor": 4.0, "original_max_position_embeddings": 32}
    return LlamaConfig(**_COMMON, tie_word_embeddings=False, attention_bias=True, mlp_bias=True,
                       rope_parameters=scaled)


GEMMA_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ raise_exception('System role not supported') }}"
    "{% endif %}"
    "{% set role = 'model' if message['role'] == 'assistant' else message['role'] %}"
    "{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
SPECIAL = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"]
SAMPLE = ("the old king said to his son go out into the world and the young fisherman came to "
          "the sea. it was dark, and no one answered him! who are you? model user system\n") * 4


def save_tokenizer(folder: Path) -> None:
    """A small tokenizer beside a checkpoint, with a chat template of Gemma's kind."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.train_from_iterator([SAMPLE], trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=SPECIAL, show_progress=False))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", SPECIAL.index("<bos>"))])
    maker: Any = PreTrainedTokenizerFast
    maker(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", bos_token="<bos>",
        unk_token="<unk>", chat_template=GEMMA_TEMPLATE,
        additional_special_tokens=["<start_of_turn>", "<end_of_turn>"]).save_pretrained(folder)


def save_model(
    folder: Path, family: str, dtype: torch.dtype = torch.float32, seed: int = 0,
    max_shard_size: str = "5GB",
) -> Any:
    """Write a checkpoint with seeded random weights; norms and biases too, so that none is idle.

    Returns the unsplit original, loaded by the library: a model cast with `.to` would have lost
    precision in its rotary frequencies, which loading keeps.
    """
    torch.manual_seed(seed)
    factory: Any = AutoModelForCausalLM
    model = factory.from_config(configuration(family))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name or "ln_" in name or name.endswith("bias"):
                parameter.add_(torch.randn_like(parameter) * 0.1)
        # A token's own embedding must not outweigh what the layers add to it, or a model with a
        # tied embedding repeats its last token whatever the layers do. The final norm makes up for
        # it: next-token distributions are about as sharp as a trained model's.
        if model.config.tie_word_embeddings:
            model.get_input_embeddings().weight.mul_(0.1)
            final = model.base_model.ln_f if family in GPT_FAMILIES else model.model.norm
            final.weight.add_(15.0)
    model.to(dtype).save_pretrained(folder, max_shard_size=max_shard_size)
    save_tokenizer(folder)
    return load_model(folder, dtype)


def load_model(folder: Path, dtype: torch.dtype) -> Any:
    """The unsplit model, as transformers loads it, in memory of its own.

    Loaded weights are views of the mapped file, at any alignment; matrix kernels choose their path
    by alignment and then differ in the last bit, so a comparison of bits needs aligned copies.
    """
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
    model.train(False)
    for parameter in model.parameters():
        parameter.data = parameter.data.clone()
    return model
