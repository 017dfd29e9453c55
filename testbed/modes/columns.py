"""The columns of a trial, and of its steps. Names only: what fills them is in `figures`."""

from __future__ import annotations

from collections.abc import Sequence

from testbed.experiments.kind import Better, Column, Scale

LOW, HIGH, NEITHER = Better.LOWER, Better.HIGHER, Better.NEITHER


def _bytes(name: str, text: str, main: bool = False) -> Column:
    return Column(name, text, "B", LOW, digits=0, main=main)


def _ms(name: str, text: str, main: bool = False) -> Column:
    return Column(name, text, "ms", LOW, digits=2, main=main)


COLUMNS: Sequence[Column] = (
    _ms("first_token_ms", "time to first token", main=True),
    _ms("token_ms", "between tokens, p50", main=True),
    _ms("token_p95_ms", "between tokens, p95"),
    _ms("answer_ms", "a whole answer", main=True),
    Column("tokens_per_second", "tokens", "1/s", HIGH, digits=1, main=True),
    _bytes("bytes_total", "bytes both ways", main=True),
    _bytes("bytes_up", "bytes up"), _bytes("bytes_down", "bytes down"),
    _bytes("up_per_token", "bytes up a token", main=True),
    _bytes("down_per_token", "bytes down a token", main=True),
    _bytes("prompt_up", "bytes up, prompt"), _bytes("prompt_down", "bytes down, prompt"),
    Column("bytes_agree", "both sides and a capture counted the same bytes", better=HIGH),
    Column("counted_by", "whose counts of bytes there are"),
    _bytes("server_up", "bytes up, the server's count"),
    _bytes("server_down", "bytes down, the server's count"),
    _bytes("captured_up", "bytes up, captured"), _bytes("captured_down", "bytes down, captured"),
    # The next four are parts of a token's time: nothing is in two of them. An edge says no more
    # than how long rows waited and were computed there: what else it does counts for the wire.
    _ms("client_ms", "a token's time in the client: layers, choice, loop"),
    _ms("serialise_ms", "a token's time in making and reading messages"),
    _ms("wire_ms", "a token's time on the wire: the rest"),
    _ms("server_ms", "a token's time in the server: queue, layers, choice"),
    _ms("compute_ms", "a token's time in the layers, within the server's (local: client's)"),
    _ms("up_ms", "a token's way up, from made to read, by both clocks"),
    _ms("down_ms", "a token's way down, from made to read, by both clocks"),
    _ms("clock_error_ms", "what the clocks' offset may be wrong by"),
    Column("load_client_s", "load, client", "s", LOW, digits=2),
    Column("load_server_s", "load, server", "s", LOW, digits=2),
    _ms("connect_ms", "connect and agree"),
    # The client runs in the experiment's process: what the capture takes there is left out.
    Column("cpu_client_s", "processor time, client", "s", LOW, digits=2),
    Column("cpu_server_s", "processor time, server", "s", LOW, digits=2),
    Column("peak_client_mib", "most memory, client, over what its process held", "MiB",
           LOW, digits=1),
    Column("peak_server_mib", "most memory, server", "MiB", LOW, digits=0),
    Column("gpu_percent", "GPU in use", "%", NEITHER, Scale.DIFFERENCE),
    Column("gpu_mib", "GPU memory", "MiB", LOW, digits=0),
    Column("tokens", "tokens", "", NEITHER, Scale.DIFFERENCE, digits=0),
    Column("same_tokens", "the tokens are those of the model unsplit", better=HIGH, main=True),
    # Where an encoding loses something it is part of the answer, so the main table has it; it is
    # left out where no trial's tokens differ.
    Column("diverges_at", "first token of an answer that is another one, where one is", "", HIGH,
           Scale.DIFFERENCE, digits=0, main=True),
)
# Of steps.parquet, in a trial's folder. There serialise_ms is the client's alone: what the server
# packs is known as a sum, and of a step it is in wire_ms.
STEP_COLUMNS = ("sequence", "turn", "step", "rows", "sent", "received", "ms", "exchange_ms",
                "client_ms", "serialise_ms", "wire_ms", "server_ms", "compute_ms")
