"""Checkpoints: weights in safetensors, recipe and metrics as JSON in its metadata. Nothing is ever unpickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from qif_deploy._torch import INSTALL, torch
from qif_deploy.atomic import atomic_path
from qif_deploy.errors import InputError, MissingDependencyError
from qif_deploy.training.assembly import build_network, count_weights
from qif_deploy.training.checkpoint_header import FORMAT, KEY, damaged, description
from qif_deploy.training.network import SpikingNetwork
from qif_deploy.training.recipe import Recipe, parse_recipe
from qif_deploy.training.spec import InputSpec
from qif_deploy.training.trainer import TrainingMetrics

FLOAT32_BYTES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A network in evaluation mode, its recipe, and the metrics as they were stored."""

    network: SpikingNetwork
    recipe: Recipe
    metrics: Mapping[str, Any]

    def __post_init__(self) -> None:
        object.__setattr__(self, "metrics", MappingProxyType(dict(self.metrics)))


def save_checkpoint(path: Path, network: SpikingNetwork, recipe: Recipe, metrics: TrainingMetrics) -> None:
    """Write ``model.safetensors``; the file appears whole or not at all.

    Raises:
        InputError: the path cannot be written.
        MissingDependencyError: safetensors is not installed.
    """
    save = _safetensors().save
    spec = network.spec.input
    frame = {"shape": list(spec.shape), "low": spec.low, "high": spec.high, "scale": spec.scale, "classes": spec.classes}
    parts = {"format": FORMAT, "recipe": recipe.as_json(), "input": frame, "metrics": metrics.as_json()}
    metadata = {KEY: json.dumps(parts, sort_keys=True)}  # one key, since safetensors writes several in random order
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(tensors, metadata))


def load_checkpoint(path: Path) -> Checkpoint:
    """Read what ``save_checkpoint`` wrote.

    Raises:
        InputError: missing, damaged, or not such a file; or weights that do not fit the recipe in it.
        MissingDependencyError: safetensors is not installed.
    """
    safetensors = _safetensors()
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"checkpoint {str(path)!r} cannot be read: {error.strerror}; check the path") from None
    parts = description(path, data)
    try:
        tensors = safetensors.load(data)
    except Exception as error:  # the library raises its own errors, KeyError and others for damaged headers
        raise damaged(path, (str(error).splitlines() or [type(error).__name__])[0][:200]) from None
    recipe = parse_recipe(parts["recipe"], where=str(path))
    spec = _input_spec(path, parts["input"])
    weights = count_weights(recipe, spec)
    if weights * FLOAT32_BYTES > len(data):  # before they are made: a recipe of a few lines may ask for any number
        raise damaged(path, f"its recipe has {weights} weights, which {len(data)} bytes cannot hold")
    network = build_network(recipe, spec, seed=recipe.seed)
    expected = network.state_dict()
    _check_tensors(path, tensors, expected)
    network.load_state_dict(tensors)
    return Checkpoint(network=network.eval(), recipe=recipe, metrics=parts["metrics"])


def _safetensors() -> Any:
    """Return the module; untyped, as its functions are."""
    try:
        import safetensors.torch
    except ImportError:
        raise MissingDependencyError(f"checkpoints need safetensors; {INSTALL}") from None
    return safetensors.torch


def _input_spec(path: Path, frame: Mapping[str, Any]) -> InputSpec:
    try:
        spec = InputSpec(
            shape=tuple(int(n) for n in frame["shape"]),
            low=int(frame["low"]),
            high=int(frame["high"]),
            scale=float(frame["scale"]),
            classes=int(frame["classes"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise damaged(path, f"unreadable input description, {type(error).__name__}") from None
    if len(spec.shape) != 3 or not all(1 <= n <= 4096 for n in (*spec.shape, spec.classes)):
        raise damaged(path, f"input of shape {spec.shape} with {spec.classes} classes")
    return spec


def _check_tensors(path: Path, tensors: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]) -> None:
    for name in sorted({*tensors, *expected}):
        if name not in tensors or name not in expected:
            raise damaged(path, f"tensor {name!r:.80} is {'missing' if name not in tensors else 'unknown'}")
        if tensors[name].shape != expected[name].shape or tensors[name].dtype != expected[name].dtype:
            found, wanted = tensors[name], expected[name]
            raise damaged(
                path, f"tensor {name!r:.80} is {found.dtype} {tuple(found.shape)} instead of {wanted.dtype} {tuple(wanted.shape)}"
            )
        if not tensors[name].isfinite().all():
            raise damaged(path, f"tensor {name!r:.80} holds values that are not finite")
