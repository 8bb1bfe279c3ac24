"""Readers of networks: NIR, ONNX, netx, checkpoints and training states."""

from __future__ import annotations

import functools
import gzip
import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, DenseCodes, ReadoutCodes
from tests.fuzz.reader import Reader, Structure, written
from tests.networks import LOIHI2, chain, population, proven, residual, weights


def _dense() -> QuantizedGraph:
    """The smallest network there is: a node has some twenty objects in HDF5, and each takes its time."""
    rng = np.random.default_rng(0)
    nodes = {
        "image": CodeInput(shape=(3,), low=0, high=16, scale=1 / 16),
        "fc1": DenseCodes(weight=weights(rng, 4, 3) // 4, shift=1),
        "q1": population(rng, 4),
        "fc2": DenseCodes(weight=weights(rng, 2, 4), shift=0),
        "out": ReadoutCodes(bias=np.zeros(2, np.int64), delta=1 / 600),
    }
    return proven(nodes, tuple(pairwise(nodes)), LOIHI2, 4)


def _nir_seeds() -> tuple[bytes, ...]:
    from qif_export.nir.write import write_nir

    return tuple(written(lambda path, g=graph: write_nir(g, path), ".nir") for graph in (_dense(), residual()))


def _float_nir_seeds() -> tuple[bytes, ...]:
    files = Path(__file__).parents[1] / "export" / "peers" / "files"
    names = ("sinabs-if", "snntorch-synaptic", "spikingjelly-residual", "norse-lif", "rockpool-lif")
    return tuple(gzip.decompress((files / f"{name}.nir.gz").read_bytes()) for name in names)


def _read_nir(path: Path) -> object:
    from qif_export.nir.read import read_nir

    return read_nir(path)


def _read_float_nir(path: Path) -> object:
    from qif_deploy.api.loading import load_float_model

    return load_float_model(path)


def _onnx_seeds() -> tuple[bytes, ...]:
    from qif_export.onnx.write import write_onnx

    return tuple(written(lambda path, g=graph: write_onnx(g, path), ".onnx") for graph in (chain(), residual()))


def _read_onnx(path: Path) -> object:
    from qif_export.onnx.read import read_onnx

    return read_onnx(path)


@functools.cache
def _outside() -> tuple[bytes, dict[str, bytes]]:
    """A model whose weights lie beside it, and the files that hold them."""
    from qif_export.onnx.options import OnnxOptions
    from qif_export.onnx.write import write_onnx

    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "net.onnx"
        write_onnx(chain(), path, OnnxOptions(external_above=1))
        return path.read_bytes(), {one.name: one.read_bytes() for one in Path(place).iterdir() if one != path}


def _read_outside(path: Path) -> object:
    for name, data in _outside()[1].items():
        (path.parent / name).write_bytes(data)
    return _read_onnx(path)


def _float_onnx_seeds() -> tuple[bytes, ...]:
    from tests.export.test_onnx_foreign import Model

    return tuple(Model().model(scan=scan).SerializeToString() for scan in (False, True))


def _read_float_onnx(path: Path) -> object:
    from qif_export.onnx.foreign import read_float_onnx

    return read_float_onnx(path)


def _netx_seeds() -> tuple[bytes, ...]:
    from qif_export.netx.write import write_netx

    return (written(lambda path: write_netx(chain(), path), ".net"),)


def _read_netx(path: Path) -> object:
    """Seal the changed file again: a file made to do harm would be sealed, too."""
    from qif_export.netx.read import read_netx
    from qif_export.netx.seal import BLOCK, seal

    if path.stat().st_size > BLOCK:
        seal(path)
    return read_netx(path)


def save_tiny(path: Path, build: Callable[[Any], Any]) -> None:
    """Write a checkpoint of the smallest recipe around a network that was never trained."""
    from qif_deploy.reading.toml_text import parse_toml
    from qif_deploy.training.checkpoint import save_checkpoint
    from qif_deploy.training.recipe import parse_recipe
    from qif_deploy.training.trainer import TrainingMetrics
    from tests.core.conftest import RECIPE

    recipe = parse_recipe(parse_toml(RECIPE), where="seed")
    metrics = TrainingMetrics(
        seed=0, accuracy_train=None, accuracy_validation=None, accuracy_test=0.5, rates={}, losses=(1.0,), validation=(), seconds=1.0,
        cpu_seconds=1.0,
    )  # fmt: skip
    save_checkpoint(path, build(recipe), recipe, metrics)


def _checkpoint_seeds() -> tuple[bytes, ...]:
    from qif_deploy.training.spec import InputSpec
    from qif_deploy.training.trainer import build_network

    spec = InputSpec(shape=(1, 8, 8), low=0, high=16, scale=1 / 16, classes=10)
    return (written(lambda path: save_tiny(path, lambda recipe: build_network(recipe, spec, seed=0)), ".safetensors"),)


def _read_checkpoint(path: Path) -> object:
    from qif_deploy.api.loading import load_float_model

    return load_float_model(path)


def _state_seeds() -> tuple[bytes, ...]:
    import torch

    from qif_deploy.training.training_state import write_state

    state = {"epoch": 1, "weights": {"a": torch.ones(3, 2)}, "groups": [(1, 0.5), None], "names": {0: "x"}}
    return (written(lambda path: write_state(path, state, _digits_recipe()), ".safetensors"),)


@functools.cache
def _digits_recipe() -> Any:
    from qif_deploy.training.recipe import load_recipe

    return load_recipe("digits")


def _read_state(path: Path) -> object:
    from qif_deploy.training.training_state import read_state

    return read_state(path, _digits_recipe())


NETWORK_READERS = (
    Reader(name="nir", suffix=".nir", structure=Structure.HDF5, seeds=_nir_seeds, read=_read_nir, native=True),
    Reader(name="nir-float", suffix=".nir", structure=Structure.HDF5, seeds=_float_nir_seeds, read=_read_float_nir, native=True),
    Reader(name="onnx", suffix=".onnx", structure=Structure.PROTOBUF, seeds=_onnx_seeds, read=_read_onnx, native=True),
    Reader(
        name="onnx-outside", suffix=".onnx", structure=Structure.PROTOBUF, seeds=lambda: (_outside()[0],), read=_read_outside, native=True
    ),
    Reader(name="onnx-float", suffix=".onnx", structure=Structure.PROTOBUF, seeds=_float_onnx_seeds, read=_read_float_onnx, native=True),
    Reader(name="netx", suffix=".net", structure=Structure.HDF5, seeds=_netx_seeds, read=_read_netx, native=True),
    Reader(
        name="checkpoint", suffix=".safetensors", structure=Structure.SAFETENSORS, seeds=_checkpoint_seeds, read=_read_checkpoint,
        native=True,
    ),
    Reader(name="state", suffix=".safetensors", structure=Structure.SAFETENSORS, seeds=_state_seeds, read=_read_state, native=True),
)  # fmt: skip


__all__ = ["NETWORK_READERS"]
