"""GPT-2 and GPT-J: split equals whole bit for bit at every cut, and tokens are `generate`'s."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import GPT2Config, GPTJConfig
from transformers.models.auto import AutoModelForCausalLM

from edge_server.engine.architecture import model_tensors, read_architecture
from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.gpt import Gpt2Architecture, GptArchitecture, GptJArchitecture
from edge_server.engine.parts import plan_parts, write_parts
from edge_server.engine.reference import ReferenceStage
from edge_server.errors import UnknownArchitecture
from edge_server.split import LayerRange
from tests.conftest import MakeCheckpoint
from tests.exactness import (
    CUTS,
    GREEDY,
    TYPES,
    Pipeline,
    ask_oracle,
    make_engine,
    make_prompt,
    measure,
)
from tests.models import GPT_FAMILIES, LAYERS, configuration, load_model, save_model

SOURCE = "some/config.json"
Config = dict[str, Any]
# As released, with what is not read left out.
GPT2: Config = {
    "activation_function": "gelu_new", "architectures": ["GPT2LMHeadModel"], "attn_pdrop": 0.1,
    "bos_token_id": 50256, "embd_pdrop": 0.1, "eos_token_id": 50256, "layer_norm_epsilon": 1e-05,
    "model_type": "gpt2", "n_ctx": 1024, "n_embd": 768, "n_head": 12, "n_layer": 12,
    "n_positions": 1024, "resid_pdrop": 0.1, "vocab_size": 50257,
}
GPTJ_6B: Config = {
    "activation_function": "gelu_new", "architectures": ["GPTJForCausalLM"],
    "layer_norm_epsilon": 1e-05, "model_type": "gptj", "n_embd": 4096, "n_head": 16,
    "n_inner": None, "n_layer": 28, "n_positions": 2048, "rotary": True, "rotary_dim": 64,
    "scale_attn_weights": True, "tie_word_embeddings": False, "vocab_size": 50400,
}
# Everything of the two that a configuration can turn on.
DIALECTS: dict[str, Config] = {
    "gpt2, untied": {"family": "gpt2", "tie_word_embeddings": False},
    "gpt2, by layer": {"family": "gpt2", "scale_attn_by_inverse_layer_idx": True},
    "gpt2, unscaled": {"family": "gpt2", "scale_attn_weights": False, "n_inner": None},
    "gpt2, relu": {"family": "gpt2", "activation_function": "relu", "layer_norm_epsilon": 1e-3},
    "gptj, tied": {"family": "gptj", "tie_word_embeddings": True, "n_inner": None},
    "gptj, all rotate": {"family": "gptj", "rotary_dim": 16, "activation_function": "gelu"},
}


@pytest.fixture(scope="module")
def oracles(checkpoint_folder: MakeCheckpoint) -> Any:
    """`oracles(family, type)` is the folder, and what unsplit transformers answers."""
    known: dict[tuple[str, str], Any] = {}

    def get(family: str, stored: str) -> Any:
        if (family, stored) not in known:
            folder = checkpoint_folder(family, TYPES[stored])
            model = load_model(folder, TYPES[stored])
            known[family, stored] = folder, ask_oracle(model, make_prompt(), GREEDY)
        return known[family, stored]

    return get


@pytest.mark.parametrize("stored", ["fp32", "bf16"])
@pytest.mark.parametrize("cuts", [*CUTS, (1, 2, 3)], ids=str)
@pytest.mark.parametrize("family", GPT_FAMILIES)
def test_split_is_whole(family: str, cuts: tuple[int, ...], stored: str, oracles: Any) -> None:
    """Two cuts are the private mode's: both ends on the phone."""
    folder, oracle = oracles(family, stored)
    pipeline = Pipeline(make_engine(folder, "auto", stored), cuts)
    tokens, _ = pipeline.answer(oracle.prompt, GREEDY, 7)
    assert tokens == oracle.tokens
    assert len(set(tokens)) > 4
    for stage in pipeline.stages:
        stage.truncate(0, 0)
    assert torch.equal(pipeline.answer(oracle.prompt, GREEDY, 64)[1], oracle.logits)


@pytest.mark.slow
@pytest.mark.parametrize("cuts", CUTS, ids=str)
@pytest.mark.parametrize("stored", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("family", GPT_FAMILIES)
def test_the_matrix(family: str, stored: str, cuts: tuple[int, ...], oracles: Any) -> None:
    """Sampled too, as for every other family."""
    folder, _ = oracles(family, stored)
    cell = measure(folder, load_model(folder, TYPES[stored]), "reference", stored, cuts)
    assert (cell.bits, cell.greedy, cell.sampled, cell.chunked) == (True, True, True, True)


@pytest.mark.parametrize("name", DIALECTS)
def test_every_setting_computes_what_the_library_computes(name: str, tmp_path: Path) -> None:
    document = configuration(DIALECTS[name]["family"]).to_dict() | DIALECTS[name]
    kind = document.pop("family")
    torch.manual_seed(1)
    factory: Any = AutoModelForCausalLM
    maker: Any = GPT2Config if kind == "gpt2" else GPTJConfig
    model = factory.from_config(maker(**document))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    model.save_pretrained(tmp_path)
    oracle = ask_oracle(load_model(tmp_path, torch.float32), make_prompt(), GREEDY)
    pipeline = Pipeline(make_engine(tmp_path, "reference", "fp32"), (1, 3))
    tokens, logits = pipeline.answer(oracle.prompt, GREEDY, 64)
    assert tokens == oracle.tokens
    assert torch.equal(logits, oracle.logits)


@pytest.mark.parametrize(("cuts", "private"), [([0], False), ([1, 3], True), ([2], False)])
@pytest.mark.parametrize("family", GPT_FAMILIES)
def test_parts_of_a_sharded_checkpoint_answer_as_the_whole(
    family: str, cuts: list[int], private: bool, oracles: Any, tmp_path: Path
) -> None:
    """Each side has its own folder alone; with no layers on the phone, the edge adds positions."""
    save_model(tmp_path / "model", family, max_shard_size="60KB")
    assert len(list((tmp_path / "model").glob("model-*.safetensors"))) > 2
    parts = plan_parts(cuts, LAYERS, private)
    folders = write_parts(Checkpoint.open(tmp_path / "model"), parts, tmp_path / "parts")
    by_layer = sorted((layers, folder) for part, folder in zip(parts, folders, strict=True)
                      for layers in part.ranges)
    first, last = by_layer[0][1], folders[0] if private else folders[-1]
    oracle = oracles(family, "fp32")[1]
    pipeline = Pipeline.__new__(Pipeline)
    pipeline.embedding = make_engine(first, "reference", "fp32").embedding()
    pipeline.stages = [make_engine(folder, "reference", "fp32").stage(layers)
                       for layers, folder in by_layer]
    pipeline.output = make_engine(last, "reference", "fp32").output()
    tokens, logits = pipeline.answer(oracle.prompt, GREEDY, 64)
    assert tokens == oracle.tokens
    assert torch.equal(logits, oracle.logits)


@pytest.mark.parametrize("family", GPT_FAMILIES)
def test_rolled_back_rows_have_their_positions_again(family: str, oracles: Any) -> None:
    folder, oracle = oracles(family, "fp32")
    pipeline = Pipeline(make_engine(folder, "reference", "fp32"), (2,))
    pipeline.answer(make_prompt(seed=9), GREEDY, 64)
    kept = len(oracle.prompt) - 5
    pipeline.prefill(oracle.prompt[:kept], 64)
    rows = pipeline.forward([0] * 5, range(kept, kept + 5), oracle.prompt[kept:])
    assert int(pipeline.output.logits(rows[-1:]).argmax()) == oracle.tokens[0]


@pytest.mark.parametrize("family", GPT_FAMILIES)
def test_a_stage_holds_its_layers_alone(family: str, checkpoint_folder: MakeCheckpoint) -> None:
    checkpoint = Checkpoint.open(checkpoint_folder(family))
    one = sum(checkpoint.entry(name).size for name in checkpoint.expected
              if name.startswith("h.0."))
    beside = checkpoint.entry("wpe.weight").size if family == "gpt2" else 0
    for layers, size in ((LayerRange(1, 3), 2 * one), (LayerRange(0, 1), one + beside),
                         (LayerRange(0, 0), 0)):
        assert ReferenceStage(checkpoint, layers, torch.float32, 1, 16).bytes() == size


@pytest.mark.parametrize(("config", "kind"), [
    (GPT2, Gpt2Architecture), (GPTJ_6B, GptJArchitecture)])
def test_released_configurations(config: Config, kind: type[GptArchitecture]) -> None:
    ours = read_architecture(config, SOURCE)
    assert isinstance(ours, kind)
    options = {key: value for key, value in config.items() if key != "model_type"}
    theirs: Any = (GPT2Config if kind is Gpt2Architecture else GPTJConfig)(**options)
    assert (ours.layers, ours.hidden, ours.heads, ours.vocabulary, ours.positions) == (
        theirs.n_layer, theirs.n_embd, theirs.n_head, theirs.vocab_size, theirs.n_positions)
    assert (ours.norm_epsilon, ours.tied, ours.feed_forward_activation) == (
        theirs.layer_norm_epsilon, theirs.tie_word_embeddings, theirs.activation_function)
    assert ours.intermediate == 4 * ours.hidden
    assert ours.longest == ours.positions
    with torch.device("meta"):
        factory: Any = AutoModelForCausalLM
        named = factory.from_config(theirs).named_parameters()
        stored = {name.removeprefix("transformer."): tuple(tensor.shape) for name, tensor in named}
    assert model_tensors(ours) == stored


@pytest.mark.parametrize(("changes", "why"), [
    ({"n_head": 7}, "n_head does not divide n_embd"),
    ({"n_positions": 0}, "n_positions is 0, not a positive whole number"),
    ({"n_embd": None}, "n_embd is None"),
    ({"activation_function": "swiglu"}, "activation_function is 'swiglu', not among gelu_new"),
    ({"activation_function": []}, "activation_function is"),
    ({"layer_norm_epsilon": -1.0}, "layer_norm_epsilon is -1.0, not a positive number"),
    ({"add_cross_attention": True}, "add_cross_attention is set"),
    ({"model_type": "gptj", "rotary_dim": 63}, "rotary_dim is 63, which is odd"),
    ({"model_type": "gptj", "rotary_dim": 66}, "rotary_dim is 66, which is odd or more"),
])
def test_what_does_not_run(changes: Config, why: str) -> None:
    with pytest.raises(UnknownArchitecture, match=f"{SOURCE}: {why}"):
        read_architecture(GPT2 | changes, SOURCE)


def test_scores_are_scaled_by_the_layers_own_number() -> None:
    plain = read_architecture(GPT2, SOURCE)
    scaled = read_architecture(GPT2 | {"scale_attn_by_inverse_layer_idx": True}, SOURCE)
    assert isinstance(plain, Gpt2Architecture)
    assert isinstance(scaled, Gpt2Architecture)
    assert [plain.attention_scale(layer) for layer in (0, 3)] == [0.125, 0.125]
    assert [scaled.attention_scale(layer) for layer in (0, 3)] == [0.125, 0.125 / 4]
