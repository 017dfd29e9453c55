"""`airsplit edge`: its options, its listening socket, and its life as a process."""

from __future__ import annotations

import argparse
import asyncio
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
import trustme
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from edge_server.command import layer_range, listen, port, url_host
from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.identity import identity_of
from edge_server.errors import ConfigurationError
from edge_server.frame import Dtype, Frame, FrameType, decode, encode
from edge_server.messages import SPLIT_PATH, ErrorCode, ErrorNotice, Hello, Mode
from edge_server.split import LayerRange
from testbed.cli import main
from tests.conftest import MakeCheckpoint, RunEdge
from tests.models import LAYERS

WAIT = 60.0


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    """The command sets its process up; this process is not its own."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@contextmanager
def listening(
    host: str = "127.0.0.1", at: int = 0, anyone: bool = False
) -> Iterator[socket.socket]:
    listener = listen(host, at, anyone)
    try:
        yield listener
    finally:
        listener.close()


def test_a_free_port() -> None:
    with listening() as one, listening() as other:
        assert one.getsockname()[1] != other.getsockname()[1]
        socket.create_connection(one.getsockname(), WAIT).close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2"])
def test_loopback_needs_no_permission(host: str) -> None:
    with listening(host):
        pass


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_others_need_permission(host: str) -> None:
    with pytest.raises(ConfigurationError,
                       match=r"reachable from other machines.*token add.*--allow-anyone"):
        listen(host, 0, False)
    if host == "0.0.0.0":  # not every machine has IPv6
        with listening(host, anyone=True):
            pass


def test_a_port_that_is_taken() -> None:
    with listening() as first:
        taken = first.getsockname()[1]
        with pytest.raises(ConfigurationError, match=rf"127\.0\.0\.1:{taken}.*another --port"):
            listen("127.0.0.1", taken, False)


@pytest.mark.parametrize("host", ["no such host", "a..b", "x" * 70 + ".example", "256.0.0.1", ""])
def test_a_host_that_is_none(host: str) -> None:
    with pytest.raises(ConfigurationError, match=r"--host .*Give an address"):
        listen(host, 0, False)


def test_an_address_of_another_machine() -> None:
    with pytest.raises(ConfigurationError, match=r"Cannot listen on 192\.0\.2\.1"):
        listen("192.0.2.1", 0, True)


def test_small_messages_leave_at_once() -> None:
    """Two in a row are not held back until the phone acknowledges the first."""
    async def accepted_option() -> int:
        got: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            peer = writer.get_extra_info("socket")
            got.set_result(peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        with listening() as listener:
            server = await asyncio.start_server(connected, sock=listener)
            async with server:
                _, writer = await asyncio.open_connection(*listener.getsockname())
                option = await got
                writer.close()
                await writer.wait_closed()
                return option

    assert asyncio.run(accepted_option()) != 0


@pytest.mark.parametrize("text", ["0", "8470", "65535"])
def test_ports(text: str) -> None:
    assert port(text) == int(text)


@pytest.mark.parametrize("text", ["-1", "65536", "99999999999999999999"])
def test_what_is_no_port(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=f"{text} is not a port"):
        port(text)


def test_ranges_of_layers() -> None:
    assert layer_range("1:26") == LayerRange(1, 26)
    assert layer_range("4:4") == LayerRange(4, 4)
    for text in ("", "1", "1:", ":4", "1:2:3", "a:b", "4:1", "-1:2", "1.0:2"):
        with pytest.raises(argparse.ArgumentTypeError, match="is not START:END, such as 1:26"):
            layer_range(text)


def test_a_host_in_a_url() -> None:
    assert url_host("127.0.0.1") == "127.0.0.1"
    assert url_host("::1") == "[::1]"


@pytest.mark.parametrize(("options", "said"), [
    (["--model", "nowhere"], "nowhere is not a folder"),
    (["--host", "0.0.0.0"], "--allow-anyone"),
    (["--dtype", "fp16", "--backend", "fast"], "does not compute in fp16"),
    (["--layers", "1:9"], "[1, 9) are not in this model"),
    (["--tls-key", "a.key"], "--tls-key is of no use without --tls-cert"),
    (["--tls-cert", "no.pem"], "--tls-cert no.pem: No such file"),
    (["--tokens", "no.json"], "--tokens no.json: there is no such file"),
])
def test_one_line_says_what_is_wrong(
    options: list[str], said: str, checkpoint_folder: MakeCheckpoint,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = [] if "--model" in options else ["--model", str(checkpoint_folder("gemma3"))]
    assert main(["edge", "--port", "0", *model, *options]) == 1
    output = capsys.readouterr()
    assert output.err.count("\n") == 1
    assert output.err.startswith("airsplit edge: ")
    assert said in output.err
    assert output.out == ""


@pytest.mark.parametrize("options", [
    ["--port", "65536"], ["--port", "x"], ["--layers", "4:1"], ["--sessions", "0"],
    ["--threads", "0"], ["--context", "0"], ["--log-level", "loud"], ["--log-format", "xml"],
    ["--connections-per-address", "0"], ["--grace", "0"], ["--idle-timeout", "x"],
    ["--drain-timeout", "inf"], ["--rate", "-1"], ["--cache-limit", "0"], ["extra"]])
def test_options_that_cannot_be(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["edge", *options])
    assert left.value.code == 2
    assert options[-1] in capsys.readouterr().err


def test_what_it_prints(
    running_edge: RunEdge, checkpoint_folder: MakeCheckpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    edge = running_edge(checkpoint_folder("gemma3"), "--layers", "1:4", "--backend", "reference")
    line = capsys.readouterr().out
    assert line.startswith("airsplit edge: layers [1, 4) of 4 (reference, fp32, ")
    assert line.endswith(f" on {edge.url}\n")
    assert edge.edge.config.port == edge.port


def test_options_reach_the_engine(
    running_edge: RunEdge, checkpoint_folder: MakeCheckpoint
) -> None:
    edge = running_edge(checkpoint_folder("gemma3"), "--sessions", 3, "--context", 77, "--dtype",
                        "bf16", "--backend", "reference")
    served = httpx.get(f"{edge.url}/v1/models").json()
    assert (served["dtype"], served["backend"]) == ("bf16", "reference")
    assert served["limits"]["sessions"] == 3
    assert served["limits"]["tokens"] == 77


def test_limits_reach_the_edge(
    running_edge: RunEdge, checkpoint_folder: MakeCheckpoint
) -> None:
    edge = running_edge(checkpoint_folder("gemma3"), "--cache-limit", 3, "--idle-timeout", 70,
                        "--grace", 5, "--rate", 12.5, "--drain-timeout", 2)
    config = edge.edge.config
    assert (config.cache_bytes, config.rate, config.drain_timeout) == (3 << 20, 12.5, 2)
    limits = httpx.get(f"{edge.url}/v1/models").json()["limits"]
    assert (limits["cache_bytes"], limits["idle_seconds"], limits["grace_seconds"]) == (
        3 << 20, 70, 5)


@contextmanager
def process(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """An edge as a process of its own, and its port."""
    command = [sys.executable, "-m", "testbed.cli", "edge", "--model", str(folder), "--port", "0",
               "--threads", "1", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as running:
        try:
            assert running.stdout is not None
            line = running.stdout.readline()
            yield running, int(line.rsplit(":", 1)[1])
        finally:
            running.kill()


@pytest.mark.parametrize("opened", [False, True])
def test_sigterm_ends_it_in_order(opened: bool, checkpoint_folder: MakeCheckpoint) -> None:
    """Status 0, nothing on standard error; an open session is told."""
    folder = checkpoint_folder("gemma3")
    with ExitStack() as stack:
        running, at = stack.enter_context(process(folder))
        assert httpx.get(f"http://127.0.0.1:{at}/healthz", timeout=WAIT).status_code == 200
        if opened:
            wire = stack.enter_context(
                connect(f"ws://127.0.0.1:{at}{SPLIT_PATH}", compression=None))
            hello = Hello(identity_of(Checkpoint.open(folder)), LayerRange(1, LAYERS), Dtype.F32,
                          Mode.TOKENS)
            wire.send(encode(Frame(FrameType.HELLO, payload=hello.pack())))
            message = wire.recv(timeout=WAIT)
            assert isinstance(message, bytes)
            assert decode(message).type is FrameType.WELCOME
        running.send_signal(signal.SIGTERM)
        # Well below the ten seconds that sessions get to drain: nothing here waits for them.
        assert running.wait(timeout=9) == 0
        assert running.stderr is not None
        assert running.stderr.read() == ""
        if opened:
            message = wire.recv(timeout=WAIT)
            assert isinstance(message, bytes)
            assert ErrorNotice.unpack(decode(message).payload).code == ErrorCode.MOVED
            with pytest.raises(ConnectionClosed):
                wire.recv(timeout=WAIT)


def test_a_clash_of_ports_is_told_before_a_model_is_loaded(tmp_path: Path) -> None:
    with listening() as first:
        taken = str(first.getsockname()[1])
        command = [sys.executable, "-m", "testbed.cli", "edge", "--port", taken, "--model",
                   str(tmp_path / "nowhere")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT, check=False)
    assert done.returncode == 1
    assert "another --port" in done.stderr
    assert "nowhere" not in done.stderr


# Who may call.


def test_tokens_open_the_way_beyond_this_machine(
    tmp_path: Path, running_edge: RunEdge, checkpoint_folder: MakeCheckpoint,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "tokens.json"
    assert main(["edge", "token", "add", "alice", "--tokens", str(file)]) == 0
    capsys.readouterr()
    folder = checkpoint_folder("gemma3")
    edge = running_edge(folder, "--host", "0.0.0.0", "--tokens", file)
    assert httpx.get(f"http://127.0.0.1:{edge.port}/healthz").status_code == 200
    assert "cross the network unencrypted" in capsys.readouterr().err
    assert main(["edge", "token", "revoke", "alice", "--tokens", str(file)]) == 0
    with pytest.raises(ConfigurationError, match="has no tokens to ask for"):
        running_edge(folder, "--host", "0.0.0.0", "--tokens", file)


def test_a_damaged_token_file_stops_the_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "tokens.json"
    file.write_text("{")
    assert main(["edge", "--port", "0", "--tokens", str(file), "--model", "nowhere"]) == 1
    assert f"The tokens in {file} are damaged" in capsys.readouterr().err


def test_tls(
    tmp_path: Path, running_edge: RunEdge, checkpoint_folder: MakeCheckpoint,
    capsys: pytest.CaptureFixture[str],
) -> None:
    authority = trustme.CA()
    chain = tmp_path / "edge.pem"
    chain.write_bytes(
        authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.bytes())
    edge = running_edge(checkpoint_folder("gemma3"), "--tls-cert", chain)
    address = f"127.0.0.1:{edge.port}"
    assert capsys.readouterr().out.endswith(f" on https://{address}\n")
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    assert httpx.get(f"https://{address}/healthz", verify=trusting).json() == {"status": "ok"}
    with connect(f"wss://{address}{SPLIT_PATH}", compression=None, ssl=trusting) as wire:
        hello = Hello(edge.edge.serving.identity, LayerRange(1, LAYERS), Dtype.F32, Mode.TOKENS)
        wire.send(encode(Frame(FrameType.HELLO, payload=hello.pack())))
        message = wire.recv(timeout=WAIT)
        assert isinstance(message, bytes)
        assert decode(message).type is FrameType.WELCOME
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"https://{address}/healthz", verify=ssl.create_default_context())
    with pytest.raises(httpx.RemoteProtocolError):  # no TLS
        httpx.get(f"http://{address}/healthz")
