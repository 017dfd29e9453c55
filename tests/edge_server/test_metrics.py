"""Metrics: what a scrape shows after things have happened, read by Prometheus' own parser."""

from __future__ import annotations

import math
import threading

from prometheus_client.parser import text_string_to_metric_families

from edge_server.metrics import Gauges, Metrics

Sample = tuple[str, tuple[tuple[str, str], ...]]


def scrape(metrics: Metrics, gauges: Gauges | None = None) -> dict[Sample, float]:
    text = metrics.render(gauges or Gauges(uptime=1.0)).decode()
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text) for sample in family.samples}


def test_what_happened_is_counted() -> None:
    metrics = Metrics()
    metrics.opened("tokens")
    metrics.opened("tokens")
    metrics.closed("goodbye")
    metrics.resumed()
    metrics.rebuilt()
    metrics.evicted()
    metrics.refused("TOO_MANY_SESSIONS")
    metrics.ignored("replay")
    metrics.denied("limit")
    metrics.tokens(3)
    metrics.received(4_128)
    metrics.sent(36)
    metrics.carried(4_136, 0)
    metrics.carried(0, 38)
    seen = scrape(metrics)
    assert seen["airsplit_sessions_opened_total", (("mode", "tokens"),)] == 2
    assert seen["airsplit_sessions_closed_total", (("reason", "goodbye"),)] == 1
    assert seen["airsplit_sessions_resumed_total", ()] == 1
    assert seen["airsplit_sessions_rebuilt_total", ()] == 1
    assert seen["airsplit_sessions_evicted_total", ()] == 1
    assert seen["airsplit_refusals_total", (("code", "too_many_sessions"),)] == 1
    assert seen["airsplit_frames_ignored_total", (("reason", "replay"),)] == 1
    assert seen["airsplit_connections_denied_total", (("reason", "limit"),)] == 1
    assert seen["airsplit_tokens_produced_total", ()] == 3
    assert seen["airsplit_received_bytes_total", ()] == 4_128
    assert seen["airsplit_sent_bytes_total", ()] == 36
    assert seen["airsplit_socket_received_bytes_total", ()] == 4_136
    assert seen["airsplit_socket_sent_bytes_total", ()] == 38


def test_steps_fall_into_buckets() -> None:
    metrics = Metrics()
    metrics.step(rows=16, sessions=3, seconds=0.0013, waited=0.0004)
    metrics.step(rows=256, sessions=1, seconds=60.0, waited=0.0)
    seen = scrape(metrics)
    assert seen["airsplit_rows_computed_total", ()] == 272
    assert seen["airsplit_step_seconds_count", ()] == 2
    assert seen["airsplit_step_seconds_bucket", (("le", "0.001"),)] == 0
    assert seen["airsplit_step_seconds_bucket", (("le", "0.002"),)] == 1
    assert seen["airsplit_step_seconds_bucket", (("le", "+Inf"),)] == 2
    assert seen["airsplit_step_rows_bucket", (("le", "16.0"),)] == 1
    assert seen["airsplit_step_sessions_sum", ()] == 4
    assert seen["airsplit_queue_wait_seconds_sum", ()] == 0.0004


def test_steps_of_tokens_are_also_told_by_themselves() -> None:
    metrics = Metrics()
    metrics.step(rows=16, sessions=3, seconds=0.5, waited=0.25)
    assert scrape(metrics)["airsplit_token_step_seconds_count", ()] == 0
    metrics.step(rows=3, sessions=3, seconds=0.007, waited=0.125)
    seen = scrape(metrics)
    assert seen["airsplit_token_queue_wait_seconds_sum", ()] == 0.125
    assert seen["airsplit_queue_wait_seconds_sum", ()] == 0.375
    assert seen["airsplit_token_step_seconds_sum", ()] == 0.007
    assert seen["airsplit_step_seconds_count", ()] == 2


def test_what_is_comes_from_the_moment_of_asking() -> None:
    metrics = Metrics()
    seen = scrape(metrics, Gauges(12.5, {"open": 3, "parked": 1}, 1_000, 4_000, 77, 2.5, 9.25,
                                    123.0))
    assert seen["airsplit_uptime_seconds", ()] == 12.5
    assert seen["airsplit_sessions", (("state", "open"),)] == 3
    assert seen["airsplit_sessions", (("state", "parked"),)] == 1
    assert seen["airsplit_cache_used_bytes", ()] == 1_000
    assert seen["airsplit_cache_limit_bytes", ()] == 4_000
    assert seen["airsplit_memory_bytes", ()] == 77
    assert seen["airsplit_load_seconds", ()] == 2.5
    assert seen["airsplit_processor_seconds", ()] == 9.25
    assert seen["airsplit_peak_memory_bytes", ()] == 123
    assert seen["airsplit_ready", ()] == 1
    seen = scrape(metrics, Gauges(13.0, {"open": 1}, ready=False))
    assert ("airsplit_sessions", (("state", "parked"),)) not in seen
    assert math.isnan(seen["airsplit_peak_memory_bytes", ()])  # not 0: nobody said
    assert seen["airsplit_ready", ()] == 0


def test_edges_do_not_share_counters() -> None:
    one, other = Metrics(), Metrics()
    one.tokens(5)
    assert scrape(other)["airsplit_tokens_produced_total", ()] == 0


def test_threads_lose_no_count() -> None:
    metrics = Metrics()

    def work() -> None:
        for _ in range(2_000):
            metrics.step(2, 1, 0.001, 0.0)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert scrape(metrics)["airsplit_rows_computed_total", ()] == 16_000


def test_the_build_is_named() -> None:
    builds = [labels for name, labels in scrape(Metrics()) if name == "airsplit_build_info"]
    assert len(builds) == 1
    assert {key for key, value in builds[0] if value} == {"python", "version"}
