"""Metrics: what a scrape shows, read by Prometheus' own parser; and that there are few series."""

from __future__ import annotations

from dataclasses import replace

from prometheus_client.parser import text_string_to_metric_families

from classifier.labels import MEANINGS
from tests.xapp.api_scene import make_scene
from tests.xapp.fake_network import CELLS, LLM, NODE
from xapp.metrics import MAX_CELLS, Metrics
from xapp.observations import Cell, CellKey, Flow, Load, Observations, Slice, Snssai
from xapp.operations import Clock, Counts, DecisionState, Health, Modes, Picture
from xapp.timings import EFFECT_SECONDS, LOOP_SECONDS, Timer

Sample = tuple[str, tuple[tuple[str, str], ...]]


def scrape(metrics: Metrics) -> dict[Sample, float]:
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(metrics.render().decode())
            for sample in family.samples}


def of(picture: Picture) -> dict[Sample, float]:
    return scrape(Metrics(lambda: picture))


def bare(**changes: object) -> Picture:
    return replace(Picture(Clock(100.0, 1e9), 40.0, Health(True)), **changes)  # type: ignore[arg-type]  # named fields


def test_a_scrape_is_the_picture() -> None:
    scene = make_scene()
    seen = scrape(scene.metrics)
    picture = scene.operations.picture()
    one = picture.observations.cells[CELLS[0]].slices[LLM]
    place = (("cell", CELLS[0].cell), ("node", NODE), ("slice", "1-000001"))
    assert one.quota is not None
    assert one.load.down_prbs is not None
    assert seen["airsplit_xapp_slice_quota_ratio", tuple(sorted((*place, ("bound", "minimum"))))
                ] == one.quota.minimum / 100
    assert seen["airsplit_xapp_slice_used_ratio", tuple(sorted((*place, ("direction", "down"))))
                ] == one.load.down_prbs * 0.01
    assert seen["airsplit_xapp_nodes", (("state", "connected"),)] == 1
    assert seen["airsplit_xapp_ready", ()] == 1
    assert seen["airsplit_xapp_uptime_seconds", ()] == 200
    assert seen["airsplit_xapp_decisions_total", (("state", "confirmed"),)] == sum(
        view.state is DecisionState.CONFIRMED for view in scene.operations.network.decisions)


def test_what_is_not_known_has_no_series() -> None:
    cell = Cell(CellKey("n", "c"), None, Load(99.0, up_kbps=3.0),
                {Snssai(1): Slice(Snssai(1), None, 0.0, Load(99.0))})
    seen = of(bare(observations=Observations(100.0, {cell.key: cell})))
    names = {name for name, _ in seen}
    assert not names & {"airsplit_xapp_cell_prbs", "airsplit_xapp_slice_used_ratio",
                        "airsplit_xapp_slice_quota_ratio", "airsplit_xapp_tap_silence_seconds",
                        "airsplit_xapp_cell_delay_seconds"}
    assert seen["airsplit_xapp_cell_throughput_bits_per_second", (
        ("cell", "c"), ("direction", "up"), ("node", "n"))] == 3000


def test_the_switches_and_the_silence_of_a_tap() -> None:
    seen = of(bare(modes=Modes(dry_run=True, killed=True), health=Health(True, ("No node.",)),
                   observations=Observations(100.0, tap_heard=97.5)))
    assert seen["airsplit_xapp_dry_run", ()] == seen["airsplit_xapp_kill_switch_pulled", ()] == 1
    assert seen["airsplit_xapp_ready", ()] == 0
    assert seen["airsplit_xapp_tap_silence_seconds", ()] == 2.5


def test_series_stay_few_however_large_the_network_and_whatever_it_says() -> None:
    cells = {CellKey("n", str(number)): Cell(CellKey("n", str(number)), 100, Load(0.0))
             for number in range(MAX_CELLS + 10)}
    flows = {str(number): Flow(str(number), f"label {number}", 0.5, 0.0, 0.0)
             for number in range(100)}
    seen = of(bare(observations=Observations(100.0, cells, {}, flows), counts=Counts(
        controls={(str(number), "x"): 1 for number in range(500)})))
    assert sum(name == "airsplit_xapp_cell_prbs" for name, _ in seen) == MAX_CELLS
    assert seen["airsplit_xapp_cells", ()] == MAX_CELLS + 10
    assert seen["airsplit_xapp_cells_left_out", ()] == 10
    assert seen["airsplit_xapp_flows", (("label", "other"),)] == 100
    assert sum(name == "airsplit_xapp_flows" for name, _ in seen) == len(MEANINGS) + 1
    assert sum(name == "airsplit_xapp_controls_total" for name, _ in seen) == 64


def test_a_cell_that_is_gone_leaves_no_series() -> None:
    cell = Cell(CellKey("n", "c"), 100, Load(0.0))
    pictures = [bare(observations=Observations(1.0, {cell.key: cell})), bare()]
    metrics = Metrics(lambda: pictures[0])
    assert "airsplit_xapp_cell_prbs" in {name for name, _ in scrape(metrics)}
    del pictures[0]
    assert "airsplit_xapp_cell_prbs" not in {name for name, _ in scrape(metrics)}


def test_times_fall_into_buckets() -> None:
    loop, answered, effect = Timer(LOOP_SECONDS), Timer(LOOP_SECONDS), Timer(EFFECT_SECONDS)
    loop.measured(0.0042)
    answered.measured(0.012)
    effect.measured(1.1)
    metrics = Metrics(lambda: bare(loop=loop.times(), acknowledgement=answered.times(),
                                   effect=effect.times()))
    metrics.request(204)
    seen = scrape(metrics)
    assert seen["airsplit_xapp_loop_seconds_bucket", (("le", "0.003"),)] == 0
    assert seen["airsplit_xapp_loop_seconds_bucket", (("le", "0.005"),)] == 1
    assert seen["airsplit_xapp_loop_seconds_bucket", (("le", "+Inf"),)] == 1
    assert seen["airsplit_xapp_acknowledgement_seconds_count", ()] == 1
    assert seen["airsplit_xapp_effect_seconds_sum", ()] == 1.1
    assert seen["airsplit_xapp_api_requests_total", (("status", "2xx"),)] == 1


def test_the_loop_s_priority_and_flows_that_were_given_up_are_shown() -> None:
    seen = of(bare(priority=10, counts=Counts(flows_evicted=7)))
    assert seen["airsplit_xapp_real_time_priority", ()] == 10
    assert seen["airsplit_xapp_flows_evicted_total", ()] == 7
    assert of(bare())["airsplit_xapp_real_time_priority", ()] == 0
