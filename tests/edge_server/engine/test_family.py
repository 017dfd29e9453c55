"""How families spell their tensors, and what reading a configuration's values refuses."""

from __future__ import annotations

import pytest

from edge_server.engine.family import PROJECTION, ConfigReader, Family, names_of
from edge_server.errors import UnknownArchitecture


@pytest.mark.parametrize(("family", "mine", "others"), [
    (Family.GEMMA, ["layers.0.mlp.up_proj.weight", "embed_tokens.weight", "norm.weight"],
     ["h.0.ln_1.weight", "wte.weight", "ln_f.weight", PROJECTION, "norm.bias", "xlayers.0.a"]),
    (Family.GPT2, ["h.11.attn.c_attn.bias", "wte.weight", "wpe.weight", "ln_f.bias"],
     ["layers.0.ln_1.weight", "norm.weight", "embed_tokens.weight", PROJECTION]),
    (Family.GPTJ, ["h.0.mlp.fc_in.weight", "wte.weight", "ln_f.weight"],
     ["wpe.weight", PROJECTION, "norm.weight"]),
])
def test_what_belongs_to_a_decoder(family: Family, mine: list[str], others: list[str]) -> None:
    names = names_of(str(family))
    assert [name for name in mine if not names.belongs(name)] == []
    assert [name for name in others if names.belongs(name)] == []


def test_a_layers_names_begin_with_its_number() -> None:
    assert names_of("llama").layer(3) == "layers.3."
    assert names_of("gptj").layer(3) == "h.3."


@pytest.mark.parametrize("kind", ["mamba", None, 3, ["gpt2"], {}], ids=repr)
def test_an_unknown_kind_is_refused_by_who_reads_it_not_by_its_names(kind: object) -> None:
    assert names_of(kind) == names_of("gemma")
    with pytest.raises(UnknownArchitecture, match=r"file: model_type is .*GPT-2 or GPT-J"):
        ConfigReader({"model_type": kind}, "file").family()


def test_numbers_have_defaults_where_they_are_given() -> None:
    reader = ConfigReader({"none": None, "some": 3, "share": 0.5}, "file")
    assert reader.positive_integer("none", 7) == 7
    assert reader.positive_integer("some", 7) == 3
    assert reader.positive_number("share", 1.0) == 0.5
    assert reader.positive_number("absent", 1.0) == 1.0
    with pytest.raises(UnknownArchitecture, match="file: none is None, not a positive whole"):
        reader.positive_integer("none")
    with pytest.raises(UnknownArchitecture, match=r"share is 0\.5, not a positive whole"):
        reader.positive_integer("share")
