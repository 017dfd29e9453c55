"""A recording of a phone that nobody made, for tests: some seconds of packets both ways."""

from __future__ import annotations

from pathlib import Path


def recorded(file: Path, seconds: float = 10.0, down_bytes: int = 1000) -> Path:
    """A CSV of a packet down each 50 ms, and one up each 100 ms."""
    lines = ["Time,Source,Destination,Length"]
    for place in range(round(seconds * 20)):
        at = place / 20
        if down_bytes:
            lines.append(f"{at:.3f},1.1.1.1,10.0.0.1,{down_bytes}")
        if place % 2 == 0:
            lines.append(f"{at + 0.01:.3f},10.0.0.1,1.1.1.1,100")
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def traced(file: Path) -> Path:
    """A CSV of a channel that has two pieces."""
    file.write_text("seconds,snr_db\n0,18\n3,2\n", encoding="utf-8")
    return file
