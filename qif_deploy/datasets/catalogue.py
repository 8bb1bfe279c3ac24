"""The data sets by name, and the doors that find one. A loader imports its module only when called, so that listing costs nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from qif_deploy.datasets.dataset import Dataset, StreamedDataset, streamed
from qif_deploy.datasets.folder import FROM_FOLDER
from qif_deploy.errors import InputError, raise_findings
from qif_deploy.suggestion import unknown_word


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRequest:
    """What a loader is asked for: seed of the split where none is published, data folder, frames of an event data set."""

    split_seed: int
    root: Path | None
    frames: int | None


def load_dataset(name: str, *, split_seed: int = 0, root: Path | None = None, frames: int | None = None) -> Dataset:
    """Return the data set ``name`` in memory.

    Args:
        name: one of ``LOADERS``.
        split_seed: draws train and test parts, the same ones for the same seed; 0 where the split is published.
        root: folder that holds the folders of the data sets, for those that no package carries.
        frames: time steps of an event data set, None for its default; what carries single frames takes None only.

    Raises:
        InputError: no such data set, no or a corrupt data file, an argument that the data set does not take.
        MissingDependencyError: the package that carries the data is not installed.
    """
    if name in STREAMS:
        raise InputError(f"data set {name!r} is too large for memory; open it with open_dataset, or use one of {sorted(LOADERS)}")
    if name not in LOADERS:
        raise unknown_word("data set", name, sorted(LOADERS))
    return LOADERS[name](_request(name, split_seed, root, frames))


def open_dataset(name: str, *, split_seed: int = 0, root: Path | None = None, frames: int | None = None) -> StreamedDataset:
    """Return any data set, to be read sample by sample; arguments and errors as of ``load_dataset``.

    Args:
        name: one of ``LOADERS`` or ``STREAMS``.
        split_seed: as for ``load_dataset``.
        root: as for ``load_dataset``.
        frames: as for ``load_dataset``.
    """
    if name in STREAMS:
        return STREAMS[name](_request(name, split_seed, root, frames))
    if name not in LOADERS:
        raise unknown_word("data set", name, DATA_SETS)
    return streamed(load_dataset(name, split_seed=split_seed, root=root, frames=frames))


def _request(name: str, split_seed: int, root: Path | None, frames: int | None) -> DataRequest:
    findings = []
    if split_seed and name not in DRAWN_SPLIT:
        findings.append(f"data set {name!r}: split_seed = {split_seed}, but its split is published; leave it at 0")
    if frames is not None and name not in EVENT_DATA:
        findings.append(f"data set {name!r}: frames = {frames}, but it carries single frames, which are held; leave it out")
    if frames is not None and not 1 <= frames <= MOST_FRAMES:
        findings.append(f"data set {name!r}: frames = {frames}, allowed is 1..{MOST_FRAMES}")
    if name in FROM_FOLDER and root is None:
        findings.append(
            f"data set {name!r} is read from a local folder and none was given; give --data-root (root), which holds {FROM_FOLDER[name]!r}"
        )
    if name not in FROM_FOLDER and root is not None:
        findings.append(f"data set {name!r}: data_root (root) = {str(root)!r}, but a package carries it; leave it out")
    raise_findings(InputError, findings)
    return DataRequest(split_seed=split_seed, root=None if root is None else Path(root), frames=frames)


def _digits(request: DataRequest) -> Dataset:
    from qif_deploy.datasets.digits import load_digits

    return load_digits(split_seed=request.split_seed)


def _mnist5k(request: DataRequest) -> Dataset:
    from qif_deploy.datasets.mnist5k import load_mnist5k

    return load_mnist5k(split_seed=request.split_seed)


def _mnist5k_saccade(request: DataRequest) -> Dataset:
    from qif_deploy.datasets.saccade import load_mnist5k_saccade

    return load_mnist5k_saccade(split_seed=request.split_seed, frames=request.frames)


def _cifar10(request: DataRequest) -> Dataset:
    from qif_deploy.datasets.cifar import load_cifar10

    return load_cifar10(_root(request))


def _cifar100(request: DataRequest) -> Dataset:
    from qif_deploy.datasets.cifar import load_cifar100

    return load_cifar100(_root(request))


def _imagenet(request: DataRequest) -> StreamedDataset:
    from qif_deploy.datasets.imagenet import open_imagenet

    return open_imagenet(_root(request))


def _nmnist(request: DataRequest) -> StreamedDataset:
    from qif_deploy.datasets.nmnist import open_nmnist

    return open_nmnist(_root(request), frames=request.frames)


def _cifar10_dvs(request: DataRequest) -> StreamedDataset:
    from qif_deploy.datasets.cifar10_dvs import open_cifar10_dvs

    return open_cifar10_dvs(_root(request), split_seed=request.split_seed, frames=request.frames)


def _dvs_gesture(request: DataRequest) -> StreamedDataset:
    from qif_deploy.datasets.dvs_gesture import open_dvs_gesture

    return open_dvs_gesture(_root(request), frames=request.frames)


def _root(request: DataRequest) -> Path:
    assert request.root is not None  # `_request` asked for it
    return request.root


LOADERS: Mapping[str, Callable[[DataRequest], Dataset]] = MappingProxyType(
    {"digits": _digits, "mnist5k": _mnist5k, "mnist5k-saccade": _mnist5k_saccade, "cifar10": _cifar10, "cifar100": _cifar100}
)
"""Name -> loader of a data set that fits into memory. A loader imports its module only when called, so that listing costs nothing."""

STREAMS: Mapping[str, Callable[[DataRequest], StreamedDataset]] = MappingProxyType(
    {"imagenet": _imagenet, "nmnist": _nmnist, "cifar10-dvs": _cifar10_dvs, "dvs128-gesture": _dvs_gesture}
)
"""Name -> opener of a data set that is read sample by sample."""

DATA_SETS = tuple(sorted((*LOADERS, *STREAMS)))
"""All names, in the order to list."""

EVENT_DATA = frozenset({"mnist5k-saccade", "nmnist", "cifar10-dvs", "dvs128-gesture"})
"""Data sets with a time axis: ON and OFF counts per frame."""

DRAWN_SPLIT = frozenset({"digits", "mnist5k", "mnist5k-saccade", "cifar10-dvs"})
"""Data sets without a published split: ``split_seed`` draws it."""

MOST_FRAMES = 1024
"""As many time steps as a recipe may have."""
