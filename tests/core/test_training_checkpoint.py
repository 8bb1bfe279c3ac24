"""Checkpoints: bit-exact round trip, and one line for every file that is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from qif_deploy.errors import InputError
from qif_deploy.training.checkpoint import load_checkpoint, save_checkpoint
from qif_deploy.training.to_graph import to_graph
from qif_deploy.training.trainer import TrainingMetrics
from tests.core.trained import chain_network, codes, small_recipe

METRICS = TrainingMetrics(seed=0, accuracy_train=1.0, accuracy_test=0.98, rates={"qif1": 0.2}, losses=(0.5,), seconds=1.0, cpu_seconds=2.0)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save_checkpoint(path, chain_network(), small_recipe(), METRICS)
    return path


def test_round_trip_keeps_every_value(saved: Path) -> None:
    network, loaded = chain_network(), load_checkpoint(saved)
    assert not loaded.network.training
    assert loaded.recipe == small_recipe()
    assert loaded.metrics == METRICS.as_json()
    assert to_graph(loaded.network) == to_graph(network)
    frames = torch.tensor(codes())
    assert torch.equal(loaded.network(frames), network(frames))
    assert [file.name for file in saved.parent.iterdir()] == ["model.safetensors"]


def test_saving_twice_gives_the_same_bytes(saved: Path) -> None:
    first = saved.read_bytes()
    save_checkpoint(saved, chain_network(), small_recipe(), METRICS)
    assert saved.read_bytes() == first


def test_saving_into_no_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot write"):
        save_checkpoint(tmp_path / "none" / "model.safetensors", chain_network(), small_recipe(), METRICS)


def edited(data: bytes, metadata: Any = None, **parts: Any) -> bytes:
    """Replace entries of the description, None removes one; or the whole metadata."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    if metadata is None:
        description = json.loads(header["__metadata__"]["qif_deploy"]) | parts
        metadata = {"qif_deploy": json.dumps({k: v for k, v in description.items() if v is not None})}
    text = json.dumps(header | {"__metadata__": metadata}).encode()
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


def rebuilt(data: bytes, name: str, tensor: Any) -> bytes:
    """Replace one tensor, or drop it."""
    from safetensors.torch import load, save

    length = int.from_bytes(data[:8], "little")
    tensors = load(data)
    tensors.pop(name)
    if tensor is not None:
        tensors[name] = tensor
    return bytes(save(tensors, json.loads(data[8 : 8 + length])["__metadata__"]))


GAIN = "by_name.bn1.gain"
BAD = {
    "empty": (lambda d: b"", "header is cut off"),
    "short": (lambda d: d[:5], "header is cut off"),
    "cut header": (lambda d: d[:200], "header is cut off"),
    "cut weights": (lambda d: d[:-4], "damaged"),
    "text": (lambda d: b"hello, this is a text file", "header is cut off"),
    "pickle": (lambda d: b"\x80\x04\x95" + bytes(100), "header is cut off"),
    "not json": (lambda d: (5).to_bytes(8, "little") + b"nojson" + d, "unreadable metadata"),
    "json of another kind": (lambda d: (2).to_bytes(8, "little") + b"[]" + d, "unreadable metadata"),
    "deep json": (lambda d: (200_000).to_bytes(8, "little") + b"[" * 200_000, "unreadable metadata"),
    "foreign": (lambda d: edited(d, {"format": "pt"}), "its metadata lack 'qif_deploy'"),
    "metadata of another kind": (lambda d: edited(d, ["qif_deploy"]), "unreadable metadata, TypeError"),
    "description no json": (lambda d: edited(d, {"qif_deploy": "{"}), "unreadable metadata, JSONDecodeError"),
    "description a list": (lambda d: edited(d, {"qif_deploy": "[]"}), "unreadable metadata, AttributeError"),
    "newer format": (lambda d: edited(d, format="qif_deploy.checkpoint.2"), r"format 'qif_deploy.checkpoint.2' instead of"),
    "no recipe": (lambda d: edited(d, recipe=None), "lack the table 'recipe'"),
    "recipe is a list": (lambda d: edited(d, recipe=[1]), "lack the table 'recipe'"),
    "recipe misspelt": (lambda d: edited(d, recipe=small_recipe().as_json() | {"epoch": 1}), "key 'epoch' is unknown"),
    "other architecture": (
        lambda d: edited(d, recipe=small_recipe().as_json() | {"hidden": 9}),
        r"tensor 'by_name.bn3.gain' is torch.float32 \(8,\) instead of torch.float32 \(9,\)",
    ),
    "input without shape": (lambda d: edited(d, input={"low": 0}), "unreadable input description, KeyError"),
    "input of no size": (lambda d: edited(d, input={"shape": [1, 8], "low": 0, "high": 1, "scale": 1, "classes": 10}), "input of shape"),
    "tensor missing": (lambda d: rebuilt(d, GAIN, None), f"tensor '{GAIN}' is missing"),
    "tensor of another type": (lambda d: rebuilt(d, GAIN, torch.ones(4, dtype=torch.float64)), "torch.float64"),
    "tensor not finite": (lambda d: rebuilt(d, GAIN, torch.tensor([1.0, np.nan, 1.0, 1.0])), "not finite"),
}


@pytest.mark.parametrize("kind", BAD)
def test_files_that_are_no_checkpoint_are_refused_in_one_line(saved: Path, kind: str) -> None:
    change, message = BAD[kind]
    saved.write_bytes(change(saved.read_bytes()))
    with pytest.raises(InputError, match=message) as caught:
        load_checkpoint(saved)
    assert "\n" not in str(caught.value)


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    for path, message in ((tmp_path / "none.safetensors", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(InputError, match=message):
            load_checkpoint(path)
