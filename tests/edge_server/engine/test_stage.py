"""What every backend promises of a stage: slots, positions, rollback, refusals."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch

from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.load import EngineOptions, open_engine
from edge_server.engine.reference import ReferenceStage
from edge_server.engine.stage import Output, Stage, warm_up
from edge_server.errors import StageError
from edge_server.split import LayerRange
from tests.conftest import MakeCheckpoint
from tests.models import FAMILIES, LAYERS, WINDOW

HIDDEN, SLOTS, CAPACITY = 64, 3, 40
MakeStage = Callable[..., Stage]


def rows_of(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, HIDDEN, generator=torch.Generator().manual_seed(seed)) * 0.5


@pytest.fixture(params=["reference", "fast"])
def make_stage(request: pytest.FixtureRequest, checkpoint_folder: MakeCheckpoint) -> MakeStage:
    def make(family: str = "gemma3", start: int = 0, end: int = LAYERS) -> Stage:
        engine = open_engine(
            Checkpoint.open(checkpoint_folder(family)),
            EngineOptions(request.param, "auto", SLOTS, CAPACITY, threads=1))
        return engine.stage(LayerRange(start, end))

    return make


def run(stage: Stage, slot: int, start: int, rows: torch.Tensor) -> torch.Tensor:
    count = rows.shape[0]
    return stage.forward([slot] * count, range(start, start + count), rows)


def assert_same(stage: Stage, got: torch.Tensor, expected: torch.Tensor) -> None:
    """The fast backend promises the same bits; the library's matrix products round by shape."""
    if isinstance(stage, ReferenceStage):
        assert float((got - expected).abs().max()) <= 1e-4 * float(expected.abs().max())
    else:
        assert torch.equal(got, expected)


@pytest.mark.parametrize("family", FAMILIES)
def test_chunks_of_any_size(family: str, make_stage: MakeStage) -> None:
    """However a prompt is cut, its rows are the same; it is longer than the window."""
    rows = rows_of(3 * WINDOW + 2)
    stage = make_stage(family)
    whole = run(stage, 0, 0, rows)
    for chunk in (1, 3, WINDOW, 2 * WINDOW + 1):
        parts = [run(stage, 1, at, rows[at : at + chunk]) for at in range(0, len(rows), chunk)]
        assert_same(stage, torch.cat(parts), whole)
        stage.truncate(1, 0)


@pytest.mark.parametrize("family", FAMILIES)
def test_slots_do_not_see_each_other(family: str, make_stage: MakeStage) -> None:
    """Ragged slots in one call give what each gives alone."""
    prompts = {0: rows_of(13, 1), 1: rows_of(5, 2), 2: rows_of(21, 3)}
    steps = {slot: rows_of(3, 10 + slot) for slot in prompts}
    together, alone = make_stage(family), make_stage(family)
    slots = [slot for slot, rows in prompts.items() for _ in rows]
    positions = [at for rows in prompts.values() for at in range(len(rows))]
    got = together.forward(slots, positions, torch.cat(list(prompts.values())))
    expected = torch.cat([run(alone, slot, 0, rows) for slot, rows in prompts.items()])
    assert_same(together, got, expected)
    for step in range(3):
        got = together.forward(
            list(prompts), [len(rows) + step for rows in prompts.values()],
            torch.stack([steps[slot][step] for slot in prompts]))
        expected = torch.cat([run(alone, slot, len(rows) + step, steps[slot][step : step + 1])
                              for slot, rows in prompts.items()])
        assert_same(together, got, expected)
    assert [together.length(slot) for slot in prompts] == [16, 8, 24]


def test_interleaved_rows_of_slots(make_stage: MakeStage) -> None:
    first, second = rows_of(4, 1), rows_of(4, 2)
    stage = make_stage()
    mixed = torch.stack([row for pair in zip(first, second, strict=True) for row in pair])
    got = stage.forward([0, 1] * 4, [at for at in range(4) for _ in range(2)], mixed)
    stage.truncate(0, 0)
    assert_same(stage, got[::2], run(stage, 0, 0, first))


@pytest.mark.parametrize("kept", [0, 1, WINDOW - 1, WINDOW, 2 * WINDOW + 3, 3 * WINDOW])
def test_rollback(kept: int, make_stage: MakeStage) -> None:
    """After `truncate`, a slot is as if the forgotten rows had never come; windows included."""
    rows, other = rows_of(3 * WINDOW), rows_of(6, 7)
    stage, fresh = make_stage(), make_stage()
    run(stage, 0, 0, rows)
    stage.truncate(0, kept)
    assert stage.length(0) == kept
    run(fresh, 0, 0, rows[:kept])
    assert torch.equal(run(stage, 0, kept, other), run(fresh, 0, kept, other))
    assert stage.length(0) == kept + 6


@pytest.mark.parametrize("back", [1, 5, WINDOW + 3])
def test_a_repeated_row_forgets_what_followed(back: int, make_stage: MakeStage) -> None:
    rows = rows_of(3 * WINDOW)
    stage = make_stage()
    first = run(stage, 0, 0, rows)
    again = run(stage, 0, len(rows) - back, rows[-back:])
    assert_same(stage, again, first[-back:])
    assert stage.length(0) == len(rows)
    run(stage, 0, 4, rows_of(1, 9))
    assert stage.length(0) == 5


def test_truncating_to_more_than_there_is_changes_nothing(make_stage: MakeStage) -> None:
    stage = make_stage()
    run(stage, 0, 0, rows_of(5))
    stage.truncate(0, 9)
    assert stage.length(0) == 5
    stage.truncate(1, 3)
    assert stage.length(1) == 0


def test_a_freed_slot_starts_anew(make_stage: MakeStage) -> None:
    stage = make_stage()
    expected = run(stage, 0, 0, rows_of(6, 4))
    run(stage, 1, 0, rows_of(CAPACITY, 5))
    stage.truncate(1, 0)
    assert torch.equal(run(stage, 1, 0, rows_of(6, 4)), expected)


@pytest.mark.parametrize(("slots", "positions", "rows", "said"), [
    ([0], [1], rows_of(1), "leaves a gap: it holds 0"),
    ([1, 1], [0, 2], rows_of(2), "jump to position 2; 1 comes next"),
    ([1, 1], [0, 0], rows_of(2), "jump to position 0; 1 comes next"),
    ([0], [CAPACITY], rows_of(1), f"outside a slot's {CAPACITY}"),
    ([0], [-1], rows_of(1), "Position -1 is outside"),
    ([SLOTS], [0], rows_of(1), f"Slot {SLOTS} is not among the {SLOTS}"),
    ([-1], [0], rows_of(1), "Slot -1 is not among"),
    ([0, 0], [0], rows_of(1), "came with 2 slots"),
    ([0], [0, 1], rows_of(1), "and 2 positions"),
    ([0], [0], torch.zeros(1, HIDDEN - 1), rf"\[rows, {HIDDEN}\]"),
    ([0], [0], torch.zeros(1, HIDDEN, dtype=torch.bfloat16), "bfloat16"),
    ([0], [0], torch.zeros(1, 1, HIDDEN), r"\[1, 1, 64\]"),
    ([0, 0, 0], [0, 1, 3], rows_of(3), "jump"),
    ([0, 1], [0, 1], rows_of(2), "of slot 1 leaves a gap"),
], ids=range(14))
def test_refusals_change_nothing(
    slots: list[int], positions: list[int], rows: torch.Tensor, said: str, make_stage: MakeStage
) -> None:
    stage, fresh = make_stage(), make_stage()
    with pytest.raises(StageError, match=said):
        stage.forward(slots, positions, rows)
    assert [stage.length(slot) for slot in range(SLOTS)] == [0] * SLOTS
    assert torch.equal(run(stage, 0, 0, rows_of(3)), run(fresh, 0, 0, rows_of(3)))


def test_a_full_slot(make_stage: MakeStage) -> None:
    stage = make_stage()
    run(stage, 0, 0, rows_of(CAPACITY))
    with pytest.raises(StageError, match="outside a slot's"):
        run(stage, 0, CAPACITY, rows_of(1))
    assert stage.length(0) == CAPACITY


@pytest.mark.parametrize(("start", "end"), [(0, 0), (2, 2), (4, 4)])
def test_no_layers_hand_rows_on(start: int, end: int, make_stage: MakeStage) -> None:
    stage = make_stage("gemma3", start, end)
    rows = rows_of(5)
    assert torch.equal(run(stage, 0, 0, rows), rows)
    assert stage.length(0) == 5
    with pytest.raises(StageError, match="leaves a gap"):
        run(stage, 0, 6, rows)


@pytest.mark.parametrize(("start", "end"), [(0, 2), (1, 3), (2, 4), (3, 3), (0, 4)])
def test_a_view_of_some_layers(start: int, end: int, make_stage: MakeStage) -> None:
    view = make_stage().narrowed(LayerRange(start, end))
    alone = make_stage("gemma3", start, end)
    assert view.layers == LayerRange(start, end)
    rows = rows_of(2 * WINDOW)
    assert torch.equal(run(view, 1, 0, rows), run(alone, 1, 0, rows))
    assert view.length(1) == 2 * WINDOW


def test_the_callers_rows_are_untouched_and_results_are_the_callers(make_stage: MakeStage) -> None:
    for layers in ((0, 4), (2, 2)):
        stage, rows = make_stage("gemma3", *layers), rows_of(4)
        before = rows.clone()
        first = run(stage, 0, 0, rows)
        kept = first.clone()
        run(stage, 1, 0, rows_of(4, 8))
        assert torch.equal(rows, before)
        assert torch.equal(first, kept)


def test_memory_is_counted(make_stage: MakeStage) -> None:
    more, less = make_stage().bytes(), make_stage("gemma3", 0, 1).bytes()
    weights = 4 * (2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 96)  # bytes of one layer's matrices
    assert less >= weights
    assert more >= 4 * weights


def test_a_warmed_stage_is_as_new(make_stage: MakeStage) -> None:
    class Counted(Output):
        calls = 0

        def logits(self, rows: torch.Tensor) -> torch.Tensor:
            type(self).calls += 1
            return rows

        def likeliest(
            self, rows: torch.Tensor, wanted: Sequence[int]
        ) -> tuple[list[int | None], torch.Tensor]:
            return self.logits(rows).argmax(dim=-1).tolist(), rows[list(wanted)]

        def bytes(self) -> int:
            return 0

    stage, fresh = make_stage(), make_stage()
    warm_up(stage, Counted(), HIDDEN)
    assert Counted.calls == 1
    assert stage.length(0) == 0
    assert torch.equal(run(stage, 0, 0, rows_of(9)), run(fresh, 0, 0, rows_of(9)))
