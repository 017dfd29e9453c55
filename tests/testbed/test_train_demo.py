"""The training program from end to end: train, stop, export, refuse."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, Gemma3ForCausalLM

from testbed import train_demo
from testbed.training.progress import TrainingProgress
from tests.testbed.training.toy import TOY, write_toy_data


@pytest.fixture(autouse=True)
def toy_behind_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """--quick means the toy model here; what the program sets in the process is undone."""
    changes = dataclasses.asdict(TOY)
    del changes["seed"]
    monkeypatch.setattr(train_demo, "QUICK_CHANGES", changes)
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    monkeypatch.setattr("testbed.training.evaluate.SAMPLE_TOKENS", 8)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of toy stories."""
    return write_toy_data(tmp_path_factory.mktemp("data"))


def call(data: Path, out: Path, *more: str) -> int:
    """The program on toy data; later options win."""
    quick = ("--quick", "--no-compile", "--threads", "1")
    return train_demo.main(["--data", str(data), "--out", str(out), *quick, *more])


def test_trains_and_exports_a_model_that_loads(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, model_folder = tmp_path / "out", tmp_path / "model"
    assert call(data, out, "--export", str(model_folder)) == 0
    assert "perplexity" in capsys.readouterr().out
    assert (out / "training_curve.png").read_bytes().startswith(b"\x89PNG")
    names = {path.name for path in model_folder.iterdir()}
    assert names == {
        "model.safetensors",
        "config.json",
        "generation_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
        "MODEL_CARD.md",
        "training_curve.png",
    }
    model = Gemma3ForCausalLM.from_pretrained(model_folder)
    assert model.dtype == torch.bfloat16
    assert model.config.layer_types == ["sliding_attention"] * 3 + ["full_attention"]
    assert model.generation_config is not None
    assert model.generation_config.eos_token_id == [1, 5]
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    messages = [{"role": "user", "content": "Tell me a story."}]
    assert tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True) == (
        "<bos><start_of_turn>user\nTell me a story.<end_of_turn>\n<start_of_turn>model\n"
    )
    assert tokenizer.encode("a king")[0] == tokenizer.bos_token_id == 2
    card = (model_folder / "MODEL_CARD.md").read_text()
    assert "Perplexity per token" in card
    assert "--steps 6 \\\n    --cooldown-steps 2 --seed 17" in card


def test_exports_the_last_checkpoint_without_training(data: Path, tmp_path: Path) -> None:
    assert call(data, tmp_path / "out", "--steps", "2", "--cooldown-steps", "1") == 0
    state = (tmp_path / "out" / "checkpoint.safetensors").read_bytes()
    assert call(data, tmp_path / "out", "--steps", "0", "--export", str(tmp_path / "model")) == 0
    assert (tmp_path / "out" / "checkpoint.safetensors").read_bytes() == state
    assert "--steps 2 \\\n    --cooldown-steps 1" in (tmp_path / "model/MODEL_CARD.md").read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_names_the_command_to_go_on(
    data: Path,
    tmp_path: Path,
    number: signal.Signals,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = TrainingProgress.step_done

    def show_then_signal(
        self: TrainingProgress, step: int, loss: float, valid: float | None, speed: float
    ) -> None:
        shown(self, step, loss, valid, speed)
        if step == 2:
            os.kill(os.getpid(), number)

    monkeypatch.setattr(TrainingProgress, "step_done", show_then_signal)
    before = signal.getsignal(number)
    assert call(data, tmp_path / "out") == 1
    assert signal.getsignal(number) is before
    said = capsys.readouterr().out
    assert "Stopped after step 2" in said
    assert f"python -m testbed.train_demo --data {data} --out {tmp_path / 'out'} --quick" in said
    assert call(data, tmp_path / "out") == 0


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--data", "nowhere"), "No nowhere/train.txt.gz"),
        (("--steps", "-3"), "--steps is -3"),
        (("--steps", "0"), "to export; give --steps 1 or more"),
        (("--steps", "5", "--cooldown-steps", "9"), "--cooldown-steps is 9"),
        (("--out", "/dev/null/x"), "--out /dev/null/x cannot be made a folder"),
        (("--export", "/dev/null/x"), "--export /dev/null/x cannot be made a folder"),
        (("--threads", "0"), "--threads is 0"),
        (("--save-every", "0"), "--save-every is 0"),
    ],
)
def test_bad_input_is_one_clear_line(
    data: Path,
    tmp_path: Path,
    more: tuple[str, ...],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call(data, tmp_path / "out", *more) == 2
    said = capsys.readouterr().out
    assert said.startswith("error: ")
    assert message in said
    assert said.count("\n") == 1


def test_another_seed_does_not_resume(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(data, tmp_path / "out", "--steps", "1", "--cooldown-steps", "0") == 0
    assert call(data, tmp_path / "out", "--seed", "18") == 2
    assert "a new folder" in capsys.readouterr().out


def test_other_data_does_not_resume(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(data, tmp_path / "out", "--steps", "1", "--cooldown-steps", "0") == 0
    other = write_toy_data(tmp_path / "other", seed=6)
    assert call(other, tmp_path / "out") == 2
    assert "same data" in capsys.readouterr().out


def test_help_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        train_demo.main(["--help"])
    assert "--cooldown-steps 600" in capsys.readouterr().out


def test_the_bundled_settings_stay_what_the_model_was_trained_with() -> None:
    config = json.loads(
        (Path(train_demo.__file__).parent / "models/story-gemma3/config.json").read_text()
    )
    settings = train_demo.settings_from(
        train_demo.build_parser().parse_args(["--data", "a", "--out", "b"])
    )
    assert config["num_hidden_layers"] == settings.layer_count
    assert config["hidden_size"] == settings.hidden_size
    assert config["intermediate_size"] == settings.mlp_size
    assert config["vocab_size"] == settings.vocabulary_size
