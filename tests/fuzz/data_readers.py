"""Readers of arrays, data sets, and of files that are verified against a network."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np

from qif_deploy.ir.graph import QuantizedGraph
from tests.fuzz.reader import Reader, Structure, written
from tests.networks import chain


@functools.cache
def _small() -> QuantizedGraph:
    return chain()


def _codes() -> np.ndarray[Any, Any]:
    graph = _small()
    node = graph.code_input(graph.inputs[0])
    return np.random.default_rng(0).integers(node.low, node.high + 1, (3, 2, *node.shape))


def _npy_seeds() -> tuple[bytes, ...]:
    return tuple(written(lambda path, c=codes: np.save(path, c), ".npy") for codes in (_codes(), _codes().astype(np.uint8, order="F")))


def _npz_seeds() -> tuple[bytes, ...]:
    name = _small().inputs[0]
    return (
        written(lambda path: np.savez(path, **{name: _codes()}), ".npz"),
        written(lambda path: np.savez_compressed(path, **{name: _codes(), "other": np.zeros(9)}), ".npz"),
    )


def _read_inputs(path: Path) -> object:
    from qif_deploy.api.loading import read_inputs

    return read_inputs(_small(), path, steps=None, encode=False)


def _vectors_seeds() -> tuple[bytes, ...]:
    from qif_deploy.simulate.inputs import prepare_inputs
    from qif_deploy.simulate.reference import run_reference

    trace = run_reference(_small(), prepare_inputs(_small(), {"": _codes()}, steps=None))
    return (written(trace.save, ".npz"),)


def _read_vectors(path: Path) -> object:
    """As ``verify --file`` reads them: loaded, and their inputs checked against the network."""
    from qif_deploy.simulate.inputs import prepare_inputs
    from qif_deploy.simulate.trace import Trace

    found = Trace.load(path)
    prepare_inputs(_small(), found.inputs, steps=None)
    return found.spikes(), found.samples, found.steps


def _nir_seeds() -> tuple[bytes, ...]:
    from qif_export.nir.write import write_nir

    return (written(lambda path: write_nir(_small(), path), ".nir"),)


def _onnx_seeds() -> tuple[bytes, ...]:
    from qif_export.onnx.write import write_onnx

    return (written(lambda path: write_onnx(_small(), path), ".onnx"),)


def _verify_onnx(path: Path) -> object:
    from qif_export.onnx.stored import onnx_difference

    return onnx_difference(path, _small())


def _verify_nir(path: Path) -> object:
    from qif_export.nir.stored import nir_difference

    return nir_difference(path, _small())


def _frames(events: Any, frames: int) -> object:
    from qif_deploy.datasets.events import FrameFormat, FrameSplit, bin_events

    return [bin_events(events, FrameFormat(frames=frames, size=events.sensor, high=15, split=split)) for split in FrameSplit]


def _nmnist_seeds() -> tuple[bytes, ...]:
    from tests.core.data_files import random_events, write_nmnist

    events = random_events(np.random.default_rng(0), 40, side=34, last_us=90_000)
    return tuple(written(lambda path, at=at: write_nmnist(path, events, overflow_at=at), ".bin") for at in (None, 20))


def _read_nmnist(path: Path) -> object:
    from qif_deploy.datasets.nmnist import read_nmnist

    return _frames(read_nmnist(path), 4)


def _aedat_seeds() -> tuple[bytes, ...]:
    from tests.core.data_files import random_events, write_aedat2

    events = random_events(np.random.default_rng(0), 40, side=128, last_us=90_000)
    return (written(lambda path: write_aedat2(path, events), ".aedat"),)


def _read_aedat(path: Path) -> object:
    from qif_deploy.datasets.cifar10_dvs import read_cifar10_dvs

    return _frames(read_cifar10_dvs(path), 4)


def _gesture_seeds() -> tuple[bytes, ...]:
    rng = np.random.default_rng(0)
    events = np.stack([rng.integers(0, 128, 40), rng.integers(0, 128, 40), rng.integers(0, 2, 40), np.arange(40)], axis=1)
    return tuple(written(lambda path, t=dtype: np.save(path, events.astype(t)), ".npy") for dtype in (np.float64, np.int16))


def _read_gesture(path: Path) -> object:
    from qif_deploy.datasets.dvs_gesture import read_gesture

    return _frames(read_gesture(path), 4)


def _cifar_seeds() -> tuple[bytes, ...]:
    return (bytes(range(10)) + bytes(3073 * 2 - 10),)


def _read_cifar(path: Path) -> object:
    """All six files of CIFAR-10 are this one."""
    from qif_deploy.datasets.cifar import load_cifar10

    folder = path.parent / "cifar-10-batches-bin"
    folder.mkdir(exist_ok=True)
    for name in (*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin"):
        (folder / name).unlink(missing_ok=True)
        (folder / name).hardlink_to(path)
    return load_cifar10(path.parent)


def _picture_seeds() -> tuple[bytes, ...]:
    from tests.core.data_files import write_picture

    kinds = ((".png", "RGB"), (".jpeg", "CMYK"), (".jpeg", "L"), (".png", "P"), (".webp", "RGB"), (".tiff", "RGB"), (".gif", "L"))
    return tuple(written(lambda path, m=mode: write_picture(path, size=(12, 9), mode=m), suffix) for suffix, mode in kinds)


def _read_picture(path: Path) -> object:
    from qif_deploy.datasets._torchvision import cut, decode

    picture = decode(path)
    return cut(picture, (0, 0, *picture.size), side=8)


DATA_READERS = (
    Reader(name="input-npy", suffix=".npy", structure=Structure.NPY, seeds=_npy_seeds, read=_read_inputs, native=False),
    Reader(name="input-npz", suffix=".npz", structure=Structure.NPZ, seeds=_npz_seeds, read=_read_inputs, native=False),
    Reader(name="vectors", suffix=".npz", structure=Structure.NPZ, seeds=_vectors_seeds, read=_read_vectors, native=False),
    Reader(name="nmnist", suffix=".bin", structure=Structure.BYTES, seeds=_nmnist_seeds, read=_read_nmnist, native=False),
    Reader(name="cifar10-dvs", suffix=".aedat", structure=Structure.BYTES, seeds=_aedat_seeds, read=_read_aedat, native=False),
    Reader(name="dvs-gesture", suffix=".npy", structure=Structure.NPY, seeds=_gesture_seeds, read=_read_gesture, native=False),
    Reader(name="cifar", suffix=".bin", structure=Structure.BYTES, seeds=_cifar_seeds, read=_read_cifar, native=False),
    Reader(name="picture", suffix=".jpeg", structure=Structure.BYTES, seeds=_picture_seeds, read=_read_picture, native=True),
    Reader(name="nir-verify", suffix=".nir", structure=Structure.HDF5, seeds=_nir_seeds, read=_verify_nir, native=True),
    Reader(name="onnx-verify", suffix=".onnx", structure=Structure.PROTOBUF, seeds=_onnx_seeds, read=_verify_onnx, native=True),
)  # fmt: skip


__all__ = ["DATA_READERS"]
