"""What the ends of all peers share: their command line, how they answer, and when they end.

An asking end reads a line of JSON and prints one; both ends print `ready` once they are. It imports
nothing but Python's own, so that it also runs in an environment made for some other project's
packages. It knows no model.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

Step = Callable[[list[int], int], int]  # new ids and their position: the token after them
READY = "ready"
PARENT_SECONDS = 0.5  # between looks whether the benchmark is still there


def options(description: str | None) -> argparse.Namespace:
    """The words by which the benchmark starts one end, or has it get a model ready."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    roles = parser.add_subparsers(dest="role", required=True)
    roles.add_parser("check", help="exit 0 where all that it needs is installed")
    prepare = roles.add_parser("prepare", help="write a checkpoint in the form that it needs")
    prepare.add_argument("source", type=Path, metavar="CHECKPOINT")
    prepare.add_argument("out", type=Path, metavar="OUT")
    for name, what in (("serve", "be the end that lends its processor"),
                       ("ask", "be the end with the prompt: orders on stdin, answers on stdout")):
        end = roles.add_parser(name, help=what)
        end.add_argument("peer", metavar="PEER")
        end.add_argument("model", type=Path, metavar="MODEL")
        end.add_argument("host", metavar="HOST", help="address of the serving end")
        end.add_argument("port", type=int, metavar="PORT")
        end.add_argument("--device", default="lo", help="network device (default: %(default)s)")
        end.add_argument("--lend", type=int, default=1, metavar="LAYERS",
                         help="of llama.cpp, counted from the end, the output matrix being one")
        end.add_argument("--join", metavar="TEXT", help="what the serving end said beside ready")
    return parser.parse_args()


def run(chosen: argparse.Namespace, roles: Mapping[str, Callable[[argparse.Namespace], None]]
        ) -> None:
    """An end's part; `check` and `prepare` are nothing where a peer needs nothing."""
    if chosen.role == "serve":
        end_with_stdin()
    elif chosen.role == "ask":  # whose stdin is read between answers alone
        threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    if chosen.role in roles:
        roles[chosen.role](chosen)


def answer_all(step: Step) -> None:
    """Until stdin ends: for the ids of a prompt, so many tokens, and when each of them came."""
    say_ready()
    for line in sys.stdin:
        order = json.loads(line)
        _say(json.dumps(answer(step, order["ids"], order["tokens"])))


def answer(step: Step, prompt: list[int], wanted: int) -> dict[str, object]:
    began, used = time.monotonic(), processor_seconds()
    new, position = prompt, 0
    tokens, times = list[int](), list[float]()
    for _ in range(wanted):
        token = step(new, position)
        times.append(time.monotonic() - began)
        position += len(new)
        new = [token]
        tokens.append(token)
    return {"ids": tokens, "times": times, "cpu": processor_seconds() - used}


def processor_seconds() -> float:
    """Of all threads of this process until now, and of what it started and still runs."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    own = os.getpid()
    return usage.ru_utime + usage.ru_stime + sum(
        _used(process) for process in family(own) if process != own)


def family_seconds(process: int | None) -> float | None:
    """Of a process and what it started and still runs; None of none."""
    return None if process is None else sum(_used(one) for one in family(process))


def family(process: int) -> list[int]:
    """A process and all below it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _fields(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [process]
    for one in found:  # which grows meanwhile
        found += children.get(one, [])
    return found


def _used(process: int) -> float:
    fields = _fields(process)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if fields else 0.0


def _fields(process: int) -> list[str]:
    """Of /proc/PID/stat, after the name; none of a process that has ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def say_ready(more: str = "") -> None:
    _say(f"{READY} {more}".strip())


def _say(line: str) -> None:
    """In one piece, on a line of its own: a library may write to the same pipe meanwhile."""
    os.write(1, f"\n{line}\n".encode())


def end_with_stdin() -> None:
    """From now on this process, and its group where it leads one, ends when stdin does."""
    threading.Thread(target=_wait_and_end, daemon=True).start()


def _wait_and_end() -> None:
    while os.read(0, 4096):  # not sys.stdin: a process forked meanwhile would find it locked
        pass
    end()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PARENT_SECONDS)
    end()


def end() -> None:
    """This process at once, and its group where it leads one: what it started may not end else."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(0)
