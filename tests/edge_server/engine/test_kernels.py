"""The kernels themselves: arithmetic, packing, variants for other processors, and building them."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from edge_server.engine.architecture import gated
from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.fast import FastOutput, FastStage
from edge_server.engine.fast_weights import Plan, RopeTable
from edge_server.engine.kernels import build, native
from edge_server.engine.tensors import read_tensor
from edge_server.split import LayerRange
from tests.conftest import MakeCheckpoint
from tests.models import FAMILIES, LAYERS, load_model

Floats = npt.NDArray[np.float32]
FUNCTIONS = {"exponential": 0, "tanh": 1, "silu": 2, "gelu": 3, "bf16": 4}
# This processor without its own instructions, two older ones, and one that multiplies no bytes;
# and an instruction set that a processor needs in order to run it.
VARIANTS: dict[str, tuple[tuple[str, ...], str]] = {
    "portable": (("-DAIRSPLIT_PORTABLE",), ""),
    "x86-64": (("-march=x86-64",), "sse2"),
    "x86-64-v3": (("-march=x86-64-v3",), "avx2"),
    "x86-64-v4": (("-march=x86-64-v4",), "avx512vl"),
}
ROWS = 70  # more than run together at once


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def evaluate(function: str, values: Floats) -> Floats:
    padded = np.pad(values.astype(np.float32), (0, -len(values) % 64))
    result = np.empty_like(padded)
    native.kernels().airsplit_evaluate(
        FUNCTIONS[function], padded.ctypes.data, result.ctypes.data, len(padded))
    return result[:len(values)]


def relative_error(seen: Floats, exact: npt.NDArray[np.float64]) -> float:
    return float(np.max(np.abs(seen - exact) / np.maximum(np.abs(exact), 1e-30)))


def test_exponential_is_accurate_and_never_infinite() -> None:
    values = np.linspace(-87, 88, 400_001, dtype=np.float32)
    assert relative_error(evaluate("exponential", values), np.exp(values.astype(float))) < 3e-7
    edges = np.array([-np.inf, -1e30, -88, 0, 100, 1e30], np.float32)
    assert evaluate("exponential", edges)[[0, 1, 2, 3]].tolist() == [0, 0, 0, 1]
    assert np.isfinite(evaluate("exponential", edges)).all()


def test_tanh_is_accurate_near_zero_and_far() -> None:
    values = np.concatenate([np.linspace(-12, 12, 400_001), np.geomspace(1e-30, 1, 10_001),
                             [0.0, 1e30, -1e30]]).astype(np.float32)
    exact = np.tanh(values.astype(float))
    assert relative_error(evaluate("tanh", values), exact) < 3e-7


@pytest.mark.parametrize("function", ["silu", "gelu"])
def test_gates_are_accurate(function: str) -> None:
    values = np.concatenate([np.linspace(-12, 12, 400_001), [50.0, -200.0, 1e4, -1e4]])
    values = values.astype(np.float32)
    x = values.astype(float)
    inner = x if function == "silu" else 2 * np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)
    exact = x / (1 + np.exp(np.minimum(-inner, 700)))
    seen = evaluate(function, values)
    assert np.max(np.abs(seen - exact) / (np.abs(x) + 1e-6)) < 3e-7
    big = np.abs(exact) > 1e-6
    assert relative_error(seen[big], exact[big]) < 4e-6  # e^-u carries the rounding of a large u


def test_rounding_to_bf16_is_torchs() -> None:
    bits = np.random.default_rng(0).integers(0, 2**32, 100_000, dtype=np.uint32)
    special = np.array([0, 0x80000000, 0x3f808000, 0x3f818000, 0x7f7fffff, 0x7f800000, 1],
                       np.uint32)
    values = np.concatenate([bits, special]).view(np.float32)
    expected = torch.from_numpy(values).bfloat16().float().numpy()
    seen = evaluate("bf16", values)
    finite = ~np.isnan(values)
    assert np.array_equal(seen[finite].view(np.uint32), expected[finite].view(np.uint32))
    assert np.isnan(seen[~finite]).all()


def unpack(panel: npt.NDArray[np.uint8], precision: str, inputs: int) -> Floats:
    """[PANEL, inputs], what a packed panel stands for."""
    if precision == "fp32":
        return panel.view(np.float32).reshape(inputs, native.PANEL).T.copy()
    if precision == "bf16":
        bits = panel.view(np.uint16).reshape(inputs // 2, native.PANEL, 2).astype(np.uint32) << 16
        return bits.view(np.float32).transpose(1, 0, 2).reshape(native.PANEL, inputs)
    groups = panel.reshape(inputs // native.GROUP, -1)
    offset = int(groups[0, 4 * (native.PANEL - 1)])  # of the last output, which packs a zero
    levels = groups[:, :native.GROUP * native.PANEL].reshape(-1, 16, native.PANEL, 4)
    whole = levels.transpose(2, 0, 1, 3).reshape(native.PANEL, -1, native.GROUP).astype(int)
    scales = np.ascontiguousarray(groups[:, native.GROUP * native.PANEL:]).view(np.uint16)
    scale = (scales.astype(np.uint32) << 16).view(np.float32)  # [groups, PANEL]
    values = (whole - offset) * scale.T[:, :, None]
    return values.reshape(native.PANEL, inputs).astype(np.float32)


@pytest.mark.parametrize("stored", ["F32", "F16", "BF16"])
@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
def test_packed_weights_stand_for_the_stored_ones(precision: str, stored: str) -> None:
    kind = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}[stored]
    columns, inputs = 100, 128
    weights = (torch.randn(native.PANEL, columns) * torch.logspace(-7, 1, columns)).to(kind)
    weights[-1] = 0
    weights[5, 64:] = 0  # a group that has no scale
    exact = weights.float().numpy()
    size = native.kernels().airsplit_panel_bytes(native.PRECISIONS[precision], inputs)  # type: ignore[index]  # a test's own
    panel = np.zeros(size, np.uint8)
    for lane in (0, 32):  # in two halves, as gated matrices are
        half = weights[lane:lane + 32].contiguous()
        native.kernels().airsplit_pack(
            panel.ctypes.data, native.PRECISIONS[precision], lane, native.STORED[stored],  # type: ignore[index]  # a test's own
            half.data_ptr(), 32, columns)
    seen = unpack(panel, precision, inputs)
    if precision == "int8":
        groups = np.pad(exact, ((0, 0), (0, inputs - columns))).reshape(native.PANEL, 2, 64)
        # Half a step; a step is up to a bfloat16 rounding more than the largest weight / 127.
        bound = np.abs(groups).max(-1) / 127 * (1 + 2**-7) / 2 + 1e-30
        error = np.abs(groups - seen.reshape(groups.shape))
        assert (error <= bound[:, :, None] * 1.0001).all()
        return
    expected = exact if precision == "fp32" else weights.float().bfloat16().float().numpy()
    assert np.array_equal(seen[:, :columns], expected)
    assert not seen[:, columns:].any()


@pytest.mark.parametrize("rows", [1, 3, 6, 7, 17, 23, 64])
@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_a_projection_is_the_sum_of_what_was_rounded(
    precision: str, rows: int, checkpoint_folder: MakeCheckpoint
) -> None:
    """Against float64 sums of the packed weights and the rounded rows, for every kind of tile."""
    checkpoint = Checkpoint.open(checkpoint_folder("llama"))
    weights = read_tensor(checkpoint, "lm_head.weight", torch.float32)
    norm = read_tensor(checkpoint, "norm.weight", torch.float32)
    x = torch.randn(rows, 64).bfloat16()
    normed = (x.float() * torch.rsqrt(x.float().square().mean(-1, keepdim=True) + 1e-6) * norm)
    if precision == "bf16":
        expected = normed.bfloat16().double() @ weights.bfloat16().double().T
    else:
        expected = rounded_to_bytes(normed, 0) @ rounded_to_bytes(weights, 16).T
    seen = FastOutput(checkpoint, precision, 1).logits(x).double()
    # A value that lies between two steps may fall the other way: rarely, so the mean is compared.
    assert (seen - expected).square().mean().sqrt() < 2e-3 * expected.std()


def rounded_to_bytes(values: torch.Tensor, scale_bits: int) -> torch.Tensor:
    """One group of 64 by 127 steps, whose size loses `scale_bits` bits upwards."""
    scale = values.abs().amax(-1, keepdim=True) / 127
    if scale_bits:
        whole = scale.view(torch.int32)
        mask = (1 << scale_bits) - 1
        scale = ((whole + mask) & ~mask).view(torch.float32)
    return (values / scale).round().double() * scale.double()


def test_rotary_tables_are_transformers(checkpoint_folder: MakeCheckpoint) -> None:
    """Every kind of scaling, at positions computed in several steps."""
    for family in FAMILIES:
        folder = checkpoint_folder(family)
        rotary = load_model(folder, torch.float32).model.rotary_emb
        positions = torch.arange(600)[None]
        architecture = gated(Checkpoint.open(folder).architecture)
        for layer, rope in enumerate(architecture.ropes):
            table = RopeTable(rope, architecture.head_dimension, 600)
            table.reach(1)
            table.reach(600)
            kind = ("sliding_attention" if architecture.windows[layer] else "full_attention",)
            cosine, sine = rotary(torch.zeros(1), positions,
                                  *(kind if family == "gemma3" else ()))
            half = architecture.head_dimension // 2
            assert table._table[:, 0].equal(cosine[0, :, :half])
            assert table._table[:, 1].equal(sine[0, :, :half])


def test_linear_rotary_scaling_divides_frequencies() -> None:
    from edge_server.engine.architecture import Rope

    plain, scaled = (RopeTable(rope, 8, 64) for rope in (Rope(1e4), Rope(1e4, "linear", 4.0)))
    plain.reach(64)
    scaled.reach(64)
    assert torch.allclose(scaled._table[::4], plain._table[:16], atol=1e-6)


def test_sources_interleave_gated_matrices() -> None:
    plan = Plan.gated("gate", "up", 70, 100)
    runs = [source.runs() for source in plan.sources]
    assert (plan.inputs, plan.outputs) == (128, 256)
    assert runs[0] == [(0, 0, 32), (32, 64, 32), (64, 128, 6)]
    assert runs[1] == [(0, 32, 32), (32, 96, 32), (64, 160, 6)]


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_other_processors_compute_the_same(
    variant: str, precision: str, checkpoint_folder: MakeCheckpoint,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Up to the order of summation; and there too, batches do not show."""
    flags, needed = VARIANTS[variant]
    if needed not in Path("/proc/cpuinfo").read_text():
        pytest.skip(f"this processor has no {needed}")
    library = native.load(build.build(flags))
    for family in ("gemma2", "llama"):
        checkpoint = Checkpoint.open(checkpoint_folder(family))
        rows = torch.randn(ROWS, checkpoint.architecture.hidden,
                           generator=torch.Generator().manual_seed(3))
        rows = rows if precision == "fp32" else rows.bfloat16()
        expected, _ = _run(checkpoint, precision, rows)
        with monkeypatch.context() as patch:
            patch.setattr(native, "kernels", lambda: library)
            seen, one_by_one = _run(checkpoint, precision, rows)
        assert seen.equal(one_by_one)
        tolerance = 1e-4 if precision == "fp32" else 0.1
        assert (seen - expected).abs().max() < tolerance * expected.std()


def _run(
    checkpoint: Checkpoint, precision: str, rows: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of all rows at once, and of each alone."""
    stage = FastStage(checkpoint, LayerRange(0, LAYERS), precision, 2, 128, 1)
    output = FastOutput(checkpoint, precision, 1)
    logits = output.logits(stage.forward([0] * ROWS, range(ROWS), rows)).clone()
    single = [output.logits(stage.forward([1], [at], rows[at:at + 1])).clone()
              for at in range(ROWS)]
    return logits, torch.cat(single)


def test_compiles_without_warnings(tmp_path: Path) -> None:
    for flags in (("-march=native",), ("-DAIRSPLIT_PORTABLE",)):
        command = [build.find_compiler(), *build.BASE_FLAGS, "-O2", "-Wall", "-Wextra", "-Werror",
                   *flags, str(build.MAIN_SOURCE), "-o", str(tmp_path / "kernels.so"), "-lm"]
        subprocess.run(command, check=True)


def test_a_machine_without_a_compiler_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(build.NoKernels, match=r"apt-get install gcc.*--backend reference"):
        build.build(folder=tmp_path)
    assert not build.kernel_available()


def test_a_compiler_that_fails_is_quoted_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler = tmp_path / "bin" / "cc"
    compiler.parent.mkdir()
    compiler.write_text("#!/bin/sh\necho cannot find stdlib.h >&2\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("PATH", str(compiler.parent), prepend=":")
    cache = tmp_path / "cache"
    with pytest.raises(build.NoKernels, match="cannot find stdlib"):
        build.build(folder=cache)
    assert list(cache.iterdir()) == []


def test_a_library_is_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert build.cache_folder() == tmp_path / "airsplit"
    monkeypatch.setattr(build, "BASE_FLAGS", (*build.BASE_FLAGS, "-O0"))  # quick to compile
    library = build.build()
    assert library.parent == tmp_path / "airsplit"
    written = library.stat().st_mtime_ns
    assert build.build() == library
    assert library.stat().st_mtime_ns == written


def test_a_foreign_library_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "kernels.so"
    broken.write_bytes(b"not a library")
    with pytest.raises(build.NoKernels, match="cannot be loaded"):
        native.load(broken)


def test_structures_agree_with_the_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    class Longer(native.Layer):
        _fields_ = [("more", ctypes.c_int64)]  # noqa: RUF012  # ctypes wants a list

    monkeypatch.setattr(native, "Layer", Longer)
    with pytest.raises(build.NoKernels, match="other sources"):
        native.load(build.build())
