"""Every artefact that a command writes, in two versions, without a command around it: as fast as a test needs it."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.networks import chain, random_inputs

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """``write(path, version)`` writes version 0 or 1; ``state(path)`` is what a reader sees of it, equal for equal content."""

    name: str
    write: Callable[[Path, int], object]
    state: Callable[[Path], str]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _json(path: Path, version: int) -> None:
    from qif_deploy.api.files import write_json

    write_json(path, {"version": version, "numbers": list(range(200_000))})


def _vectors(path: Path, version: int) -> None:
    from qif_deploy.simulate.reference import run_reference

    graph = chain(seed=version)
    run_reference(graph, random_inputs(graph, samples=8)).save(path)


def _nir(path: Path, version: int) -> None:
    from qif_export.nir.write import write_nir

    write_nir(chain(seed=version), path)


def _netx(path: Path, version: int) -> None:
    from qif_export.netx.write import write_netx

    write_netx(chain(seed=version), path)


def _onnx_outside(path: Path, version: int) -> None:
    """As ``write_onnx`` stores a model above 2 GB, with its weights beside it; without the runs that check it."""
    from qif_export.onnx.model import to_onnx
    from qif_export.onnx.store import stored

    with stored(to_onnx(chain(seed=version)), path, external_above=1000):
        pass


def _onnx_outside_state(path: Path) -> str:
    """The network in it: a model beside the other's weights would be refused, or be a third network."""
    from qif_export.onnx.read import read_onnx

    return read_onnx(path).content_hash


def _checkpoint(path: Path, version: int) -> None:
    from qif_deploy.training.spec import InputSpec
    from qif_deploy.training.trainer import build_network
    from tests.fuzz.network_readers import save_tiny

    save_tiny(
        path, lambda recipe: build_network(recipe, InputSpec(shape=(1, 8, 8), low=0, high=16, scale=1 / 16, classes=10), seed=version)
    )


ARTEFACTS = {
    artefact.name: artefact
    for artefact in (
        Artefact(name="result.json", write=_json, state=sha256),
        Artefact(name="vectors.npz", write=_vectors, state=sha256),
        Artefact(name="net.nir", write=_nir, state=sha256),
        Artefact(name="net.net", write=_netx, state=sha256),
        Artefact(name="net.onnx", write=_onnx_outside, state=_onnx_outside_state),
        Artefact(name="model.safetensors", write=_checkpoint, state=sha256),
    )
}


def main(arguments: list[str]) -> None:
    """Write one artefact in turns for ever, or so many times; a line on stdout says that writing begins."""
    name, folder, times = arguments
    artefact, path = ARTEFACTS[name], Path(folder) / name
    artefact.write(Path(folder) / f"warm-{name}", 0)
    (Path(folder) / f"warm-{name}").unlink()
    for beside in Path(folder).glob(f"warm-{name}.*"):
        beside.unlink()
    print("begin", flush=True)
    for number in range(int(times)):
        artefact.write(path, 1 - number % 2)


if __name__ == "__main__":
    main(sys.argv[1:])
