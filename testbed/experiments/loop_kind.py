"""Trials of real packets: the closed loop, once, with its tokens, labels, slices and decisions.

Its settings are those of `LoopSettings`, and `model`, a checkpoint's folder; `split` says how many
of that model's layers the phone runs. The columns are of the
loaded phase after the xApp could act (`steered` of the loop), unless their names say otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed.bed.modes import Mode
from testbed.errors import TestbedFailure
from testbed.experiments.errors import BadScenario
from testbed.experiments.kind import Better, Column, Figures, Say, Scale, Value
from testbed.experiments.results import write_whole
from testbed.loop.own_cell import said_twice
from testbed.loop.settings import LLM, Load, LoopSettings
from testbed.loop.slices import together
from xapp.config_reading import build
from xapp.errors import ConfigurationError

if TYPE_CHECKING:
    from testbed.loop.outcome import LoopResult
    from testbed.loop.story import PhaseFigures

BUNDLED_MODEL = Path(__file__).parents[1] / "models" / "story-gemma3"
LOW, HIGH = Better.LOWER, Better.HIGHER
OF_PHASE = (  # of PhaseFigures
    ("first_token_ms", "time to first token", "ms", LOW), ("p50_ms", "between tokens, p50", "ms",
                                                          LOW),
    ("p95_ms", "between tokens, p95", "ms", LOW), ("p99_ms", "between tokens, p99", "ms", LOW),
    ("longest_ms", "longest wait for a token", "ms", LOW),
    ("tokens_per_second", "tokens", "1/s", HIGH))
MAIN = ("first_token_ms", "p50_ms", "p95_ms", "p99_ms", "tokens_per_second")
PHASES = (("", "steered", 2), ("calm_", "calm", 0), ("onset_", "as load begins", 1))
OF_SLICE = (("down_mbps", "down", "Mbit/s", HIGH), ("up_mbps", "up", "Mbit/s", HIGH),
            ("down_delay_ms", "delay down", "ms", LOW))
SLICES = (("others", "all other slices"), ("llm", f"slice {LLM}"))


def _columns() -> tuple[Column, ...]:
    found = [Column(prefix + name, text + ("" if not prefix else f" ({phase})"), unit, better,
                    main=not prefix and name in MAIN)
             for prefix, phase, _ in PHASES for name, text, unit, better in OF_PHASE]
    found += [Column(f"{prefix}stalls", f"stalls over 0.5 s{f' ({phase})' if prefix else ''}", "",
                     LOW, Scale.DIFFERENCE, main=not prefix) for prefix, phase, _ in PHASES]
    found += [Column(f"{who}_{name}", f"{whose}: {text}", unit, better, digits=2,
                     main=who == "others" and name != "down_delay_ms")
              for who, whose in SLICES for name, text, unit, better in OF_SLICE]
    return (*found, *OTHERS)


OTHERS = (
    Column("p95_times_calm", "p95 over its own calm phase's", "x", LOW, digits=2, main=True),
    Column("onset_p95_times_calm", "p95 as load begins over calm's", "x", LOW, digits=2),
    Column("label_seconds", "right label after a flow's first packet", "s", LOW, digits=2,
           main=True),
    Column("label_right", "all flows of the model ended with the right label", "", HIGH,
           Scale.DIFFERENCE, main=True),
    Column("others_called_llm", "flows of others that were called a split model's", "", LOW,
           Scale.DIFFERENCE),
    Column("congestion_to_quota_s", "from the load's begin to a quota in force", "s", LOW,
           digits=2, main=True),
    Column("allowed_to_quota_s", "from when the xApp might act to a quota in force", "s", LOW,
           digits=2),
    Column("guarantee", "highest guarantee of the model's slice", "%", scale=Scale.DIFFERENCE),
    Column("decisions", "decisions of the xApp", scale=Scale.DIFFERENCE),
    Column("standing", "decisions that were confirmed or stood", scale=Scale.DIFFERENCE),
    Column("floor_violated", "a slice's floor was violated", "", LOW, Scale.DIFFERENCE,
           main=True),
    Column("missed_looks", "looks at the programs that were not answered", "", LOW,
           Scale.DIFFERENCE),
    Column("slots_missed", "slots that the cell missed, as the machine did not let it run", "", LOW,
           Scale.DIFFERENCE, main=True),
)


class Loop:
    """The kind; `trial` is `run_loop`, or what stands in for it."""

    name = "loop"
    columns: Sequence[Column] = _columns()

    def __init__(self, trial: Callable[[LoopSettings, Path, Path, Say], LoopResult] | None = None,
                 ) -> None:
        self._trial = trial
        self._modes: set[Mode] = set()  # of the trials that were checked

    def check(self, settings: Mapping[str, Any]) -> None:
        said = _settings_of(settings, 1)
        if said.mode is Mode.USER:  # a trial would run where it is, and its row would say `user`
            raise BadScenario("settings.mode: an experiment enters no user namespace.",
                              "Give root, or relay, which needs no privilege.")
        _check_cell(said)
        if not (model := _model_of(settings)).is_dir():
            raise BadScenario(f"settings.model: there is no folder {model}.",
                              "Leave it out for the bundled one.")
        layers = _layers_of(model)
        if said.split >= layers:
            raise BadScenario(f"settings.split: {model.name} has {layers} layers, of which "
                              f"{said.split} cannot be the phone's.",
                              f"Give 1 to {layers - 1}: the edge has one at least.")
        self._modes.add(said.mode)

    def prepare(self) -> None:
        from testbed.loop.grounds import require

        for mode in self._modes:
            require(LoopSettings(mode=mode))

    def run(self, settings: Mapping[str, Any], seed: int, folder: Path, say: Say) -> Figures:
        from testbed.loop.picture import draw
        from testbed.loop.run import run_loop

        trial = self._trial or run_loop
        result = trial(_settings_of(settings, seed), folder, _model_of(settings), say)
        write_whole(folder / "summary.json", json.dumps(result.document(), indent=1).encode())
        draw(result, folder / "loop.png")
        _check_crowd(result)
        return figures_of(result)


def _settings_of(settings: Mapping[str, Any], seed: int) -> LoopSettings:
    said = {name: value for name, value in settings.items() if name != "model"}
    if "seed" in said:
        raise BadScenario("settings.seed: a trial's seed is its repetition's.",
                          "Give `seed` beside `settings`.")
    try:
        said_twice(said)
        return build(LoopSettings, {**said, "seed": seed}, "settings")
    except (ConfigurationError, TestbedFailure) as error:
        raise BadScenario(f"settings: {error.problem}", error.remedy) from error


def _check_cell(settings: LoopSettings) -> None:
    """By the emulated cell's own reader, with the files that it names."""
    from testbed.loop.cell_check import check_cell

    try:
        check_cell(settings)
    except TestbedFailure as error:
        raise BadScenario(f"settings: {error.problem}", error.remedy) from error


def _model_of(settings: Mapping[str, Any]) -> Path:
    return Path(str(settings.get("model", BUNDLED_MODEL))).expanduser()


def _layers_of(model: Path) -> int:
    """By the checkpoint's own configuration."""
    from edge_server.engine.architecture import read_architecture
    from edge_server.engine.checkpoint import CONFIG_NAME, read_json
    from edge_server.errors import EdgeError

    file = model / CONFIG_NAME
    try:
        return read_architecture(read_json(file), str(file)).layers
    except EdgeError as error:
        raise BadScenario(f"settings.model: {error}", "Give a checkpoint's folder.") from error


def _check_crowd(result: LoopResult) -> None:
    """A loaded cell into which nothing was sent looks like one that was steered very well."""
    if result.settings.load is Load.NONE or result.crowd is None:
        return
    sent, greedy = result.crowd["sent"], result.crowd["greedy_bytes"]
    if not sum((sent or {}).get("bytes", {}).values()) and not sum((greedy or {}).values()):
        raise TestbedFailure(
            "The crowd sent nothing, and was to load the cell: such a trial compares nothing.",
            "See crowd.log and cell.log beside its summary, and run it with --retry-failed when "
            "the machine has less to do.")


def figures_of(result: LoopResult) -> Figures:
    """A row of the loop's result."""
    found: dict[str, Value] = {}
    for prefix, _, place in PHASES:
        phase: PhaseFigures = result.phases[place]
        for name, *_ in OF_PHASE:
            found[prefix + name] = getattr(phase, name)
        found[f"{prefix}stalls"] = phase.stalls
    for who, slices in (("others", result.settings.floors), ("llm", {LLM})):
        for name, *_ in OF_SLICE:
            found[f"{who}_{name}"] = together(result.slices, slices, "steered", name)
    verdict, labels = result.verdict(), result.labels
    guarantees = [(shares.get(LLM) or {}).get("minimum", 0) for _, shares in result.cell_quotas]
    return found | {
        "p95_times_calm": verdict["steered_times_calm_p95"],
        "onset_p95_times_calm": verdict["congested_times_calm_p95"],
        "label_seconds": verdict["label_seconds"], "label_right": verdict["label_right"],
        "others_called_llm": None if labels is None else labels.others_wrong,
        "congestion_to_quota_s": verdict["congestion_to_quota_seconds"],
        "allowed_to_quota_s": verdict["allowed_to_quota_seconds"],
        "guarantee": max(guarantees, default=None), "decisions": verdict["decisions"],
        "standing": verdict["standing"], "floor_violated": verdict["floor_violated"],
        "missed_looks": result.missed_looks, "slots_missed": _slots_missed(result)}


def _slots_missed(result: LoopResult) -> int | None:
    """In all phases: a trial in which there are many more than in others is of a busy machine."""
    account = (result.cell or {}).get("account") or {}
    missed = account.get("slots_skipped")
    return int(missed) if isinstance(missed, int) else None


LOOP = Loop()
