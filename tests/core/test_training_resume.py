"""A killed run goes on to the weights of an unbroken one; two processes train as one; a wrong state is one line."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, load_file, save

from qif_deploy.errors import BackendError, InputError
from qif_deploy.training.assembly import build_network
from qif_deploy.training.run_options import STATE_FILE, Accelerator, RunOptions
from qif_deploy.training.trainer import fit
from qif_deploy.training.training_state import read_state, write_state
from tests.core.trained import small_recipe
from tests.core.training_script import UPDATES, parallel_recipe, resumable_recipe, some_digits


def start(folder: Path, recipe: str, *, devices: int = 1, resume: bool = False, slow: bool = False) -> subprocess.Popen[str]:
    words = [str(folder), recipe, str(devices), "resume" if resume else "new", "slow" if slow else "fast"]
    command = [sys.executable, "-W", "error::UserWarning", "-m", "tests.core.training_script", *words]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def interrupted(tmp_path: Path) -> Iterator[Path]:
    """A folder with the state after two of four epochs."""

    class Stop(Exception):
        pass

    def stop(share: float) -> None:
        if share > 0.6:
            raise Stop

    with pytest.raises(Stop):
        fit(resumable_recipe(), some_digits(), options=RunOptions(folder=tmp_path), progress=stop)
    return tmp_path


def equal(first: torch.nn.Module, second: dict[str, torch.Tensor]) -> bool:
    state = first.state_dict()
    return state.keys() == second.keys() and all(torch.equal(state[name], second[name]) for name in state)


def test_a_killed_run_resumes_to_the_weights_of_an_unbroken_one(tmp_path: Path) -> None:
    unbroken, metrics = fit(resumable_recipe(), some_digits())
    process = start(tmp_path, "resumable", slow=True)
    deadline = time.monotonic() + 60
    while not (tmp_path / STATE_FILE).exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    time.sleep(0.5)  # into the middle of a later epoch
    process.send_signal(signal.SIGKILL)
    _, errors = process.communicate()
    assert process.returncode == -signal.SIGKILL, errors
    assert not (tmp_path / "weights.safetensors").exists()
    resumed, resumed_metrics = fit(resumable_recipe(), some_digits(), options=RunOptions(folder=tmp_path, resume=True))
    assert equal(unbroken, resumed.state_dict())
    assert (resumed_metrics.losses, resumed_metrics.validation) == (metrics.losses, metrics.validation)


def test_logs_of_a_resumed_run_stand_beside_the_first_ones(interrupted: Path) -> None:
    fit(resumable_recipe(), some_digits(), options=RunOptions(folder=interrupted, resume=True, logs=True))
    (start_folder,) = (interrupted / "logs").iterdir()
    assert start_folder.name == "from_epoch_2"
    header, *rows = (start_folder / "metrics.csv").read_text().splitlines()
    assert set(header.split(",")) >= {"epoch", "loss", "learning_rate", "accuracy_validation"}
    assert len(rows) == 2
    assert any(file.name.startswith("events.out.tfevents") for file in start_folder.iterdir())


def test_two_processes_train_as_one(tmp_path: Path) -> None:
    recipe = parallel_recipe()
    alone, _ = fit(recipe, some_digits())
    process = start(tmp_path, "parallel", devices=2)
    _, errors = process.communicate(timeout=100)
    assert process.returncode == 0, errors
    together = load_file(tmp_path / "weights.safetensors")
    # Sums over half batches are rounded in another order. Each of the 4 updates rounds a weight once more, eps |w| with |w| about 1,
    # and adds learning_rate * gradient, whose own rounding is less than that. A spike that flips by rounding would move weights by
    # 1e-4 and more; on long runs some flip. Here it needs a membrane within about 1e-7 of theta among 4 * 256 * 360 neuron steps.
    for name, weight in alone.state_dict().items():
        bound = 2 * UPDATES * torch.finfo(torch.float32).eps * max(1.0, float(weight.abs().max()))
        assert (together[name] - weight).abs().max() <= bound, name
    untrained = build_network(recipe, alone.spec.input, seed=recipe.seed)
    moved = alone.by_name["conv1"].layer.weight - untrained.by_name["conv1"].layer.weight
    assert moved.abs().max() > 1e-4  # a hundred times the bound, through every population between the loss and here


BAD: dict[str, tuple[Any, str]] = {
    "empty": (lambda d: b"", "damaged"),
    "cut": (lambda d: d[:-100], "damaged"),
    "one bit": (lambda d: d[:-1] + bytes([d[-1] ^ 1]), "its checksum does not match"),
    "pickle": (lambda d: b"\x80\x04\x95" + bytes(100), "damaged"),
    "foreign": (lambda d: save({"a": torch.ones(1)}), "unreadable, KeyError"),
    "newer": (lambda d: d.replace(b"training_state.1", b"training_state.2"), "format 'qif_deploy.training_state.2'"),
    "other contents": (lambda d: rebuilt(d, {"dict": []}), "damaged"),
    "no table": (lambda d: rebuilt(d, 3), "it holds no table"),
}


def rebuilt(data: bytes, tree: Any) -> bytes:
    length = int.from_bytes(data[:8], "little")
    parts = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["qif_deploy"])
    return bytes(save(load(data), {"qif_deploy": json.dumps(parts | {"tree": tree})}))


def test_states_that_are_none_are_refused_in_one_line(interrupted: Path) -> None:
    path = interrupted / STATE_FILE
    whole = path.read_bytes()
    for kind, (change, message) in BAD.items():
        path.write_bytes(change(whole))
        with pytest.raises(InputError, match=message) as caught:
            fit(resumable_recipe(), some_digits(), options=RunOptions(folder=interrupted, resume=True))
        assert "\n" not in str(caught.value), kind


def test_a_state_of_another_run_is_refused(interrupted: Path) -> None:
    options = RunOptions(folder=interrupted, resume=True)
    with pytest.raises(InputError, match=r"written with epochs = 4, the recipe now has 5; resume with the same recipe"):
        fit(dataclasses.replace(resumable_recipe(), epochs=5), some_digits(), options=options)
    with pytest.raises(InputError, match="written with seed 0, asked for is 7"):
        fit(resumable_recipe(), some_digits(), seed=7, options=options)


def test_nothing_to_resume_and_wrong_numbers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no training state .* to resume from; train without --resume"):
        fit(small_recipe(), some_digits(), options=RunOptions(folder=tmp_path, resume=True))
    with pytest.raises(InputError, match="batch_size = 64 is no multiple of 3 processes"):
        fit(small_recipe(), some_digits(), options=RunOptions(devices=3))
    with pytest.raises(InputError, match=r"devices = 0, allowed is 1..1024; .*resume and logs need a folder"):
        RunOptions(devices=0, resume=True)
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="torch finds no CUDA device"):
            fit(small_recipe(), some_digits(), options=RunOptions(accelerator=Accelerator.GPU))


def test_state_keeps_containers_keys_and_bits(tmp_path: Path) -> None:
    state = {"a": [1, 2.5, None, True, "x"], 3: (torch.arange(3), {"b": torch.tensor([float("nan"), -0.0])}), "inf": float("inf")}
    write_state(tmp_path / "s.safetensors", state, small_recipe())
    found = read_state(tmp_path / "s.safetensors", dataclasses.replace(small_recipe(), data_root="elsewhere"))
    assert found["a"] == state["a"]
    assert isinstance(found[3], tuple)
    assert found[3][0].equal(torch.arange(3))
    assert found[3][1]["b"].view(torch.int32).tolist() == torch.tensor([float("nan"), -0.0]).view(torch.int32).tolist()
    assert found["inf"] == float("inf")
    with pytest.raises(BackendError, match="type object cannot be stored"):
        write_state(tmp_path / "s.safetensors", {"a": object()}, small_recipe())
