"""The notebook in docs/ runs from its first cell to its last, and says what its text claims."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = ROOT / "docs" / "from-capture-to-model.ipynb"
TIMEOUT = 280  # seconds a cell may take; they take some


# The kernel's libraries leave sockets and event loops to the garbage collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning",
                            "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.slow  # it trains a model; each thing that it calls has tests of its own
@pytest.mark.timeout(600)
def test_it_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    notebook = nbformat.read(NOTEBOOK, 4)  # type: ignore[no-untyped-call]
    NotebookClient(notebook, timeout=TIMEOUT, kernel_name="python3",
                   resources={"metadata": {"path": str(NOTEBOOK.parent)}}).execute()
    said = "".join(output.text for cell in notebook.cells if cell.cell_type == "code"
                   for output in cell.outputs if output.output_type == "stream")
    recall, precision = map(float, re.findall(
        r"by capture .*recall (\d\.\d+), precision (\d\.\d+)", said)[0])
    assert recall >= 0.6  # of few captures; the shipped model's card has the real figures
    assert precision >= 0.6
    assert re.search(r"29,001 packets, \d+ flows, 0 warnings", said)
    assert "manifest.json" in said


def test_it_is_kept_without_results() -> None:
    """What it prints depends on the machine; a diff should show what somebody changed."""
    notebook = nbformat.read(NOTEBOOK, 4)  # type: ignore[no-untyped-call]
    assert all(not cell.outputs and cell.execution_count is None
               for cell in notebook.cells if cell.cell_type == "code")
