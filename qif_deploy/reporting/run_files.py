"""The files of a run folder, read, hashed, and checked to be of one network. Nothing is run again but one sample of the vectors."""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import dataclass
from pathlib import Path

from qif_deploy.analysis.check_network import CheckReport, check_network
from qif_deploy.analysis.observed_range import observe
from qif_deploy.errors import InputError
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.reporting.record import Record, read_record
from qif_deploy.reporting.vectors_origin import require_run_of
from qif_deploy.simulate.trace import Trace

MODEL, METRICS, NETWORK, VECTORS = "model.safetensors", "metrics.json", "net.nir", "vectors.npz"
FIDELITY, VERIFY, ENERGY, PLACEMENT = "fidelity.json", "verify.json", "energy.json", "placement.json"

RESULTS = {METRICS: "train", FIDELITY: "diff", VERIFY: "verify", ENERGY: "energy", PLACEMENT: "map"}
"""Result file to the verb that writes it."""

OF_A_NETWORK = (FIDELITY, VERIFY, ENERGY, PLACEMENT)
"""Results that name the network they are of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFile:
    """A file that the report was made from; ``network`` is the content hash that it names, None where its kind names none."""

    name: str
    sha256: str
    size: int
    network: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFiles:
    """What a run folder holds; None for a file that is not there."""

    folder: Path
    network: QuantizedGraph | None
    proof: CheckReport | None
    trace: Trace | None
    checkpoint: Record | None
    results: dict[str, Record]
    read: tuple[ReadFile, ...]

    @property
    def content_hash(self) -> str | None:
        """Of the network that all files are of; None where none names it."""
        return next((file.network for file in self.read if file.network is not None), None)

    def command(self, verb: str) -> str:
        """Return a command that makes the result of ``verb`` in this folder, with recipe, seed and target where the files name them."""
        folder, model, network = (shlex.quote(str(path)) for path in (self.folder, self.folder / MODEL, self.folder / NETWORK))
        recipe = {} if self.checkpoint is None else self.checkpoint.record("recipe").values
        target = "loihi2" if self.network is None else self.network.provenance.get("target", "loihi2")
        match verb:
            case "train":
                seed = f" --seed {recipe['seed']}" if isinstance(recipe.get("seed"), int) else ""
                return f"qif-deploy train --recipe {shlex.quote(str(recipe.get('name', 'digits')))}{seed} --out {folder}"
            case "quantize":
                return f"qif-deploy quantize {model} --target {shlex.quote(target)}"
            case "diff":
                return f"qif-deploy diff {model} {network}"
            case "run":
                return f"qif-deploy run {network} --input codes.npy"
            case _:
                return f"qif-deploy {verb} {network}"


def read_run(folder: Path) -> RunFiles:
    """Read every file of a run folder that the report knows.

    Raises:
        InputError: no such folder, nothing in it, a damaged file, or files of different networks.
    """
    folder = Path(folder)
    if not folder.is_dir():
        kind = "is a file" if folder.exists() else "does not exist"
        raise InputError(f"run folder {str(folder)!r} {kind}; give the folder that `qif-deploy train` or `qif-deploy demo` wrote")
    checkpoint, network, read = _checkpoint(folder / MODEL), _network(folder / NETWORK), []
    results = {name: _result(folder / name, verb) for name, verb in RESULTS.items() if (folder / name).is_file()}
    for name in (MODEL, NETWORK, VECTORS, *RESULTS):
        if (folder / name).is_file():
            named = network.content_hash if name == NETWORK and network is not None else None
            if name in OF_A_NETWORK:
                named = results[name].text("content_hash")
            read.append(_hashed(folder / name, named))
    if not read:
        known = ", ".join((MODEL, NETWORK, VECTORS, *RESULTS))
        raise InputError(f"run folder {str(folder)!r} holds none of {known}; give the folder that `qif-deploy demo` wrote")
    _require_one_network(folder, read)
    _require_metrics_of(checkpoint, results.get(METRICS))
    trace = Trace.load(folder / VECTORS) if (folder / VECTORS).is_file() else None
    if network is not None and trace is not None:
        require_run_of(network, trace, folder / VECTORS)
    return RunFiles(
        folder=folder,
        network=network,
        proof=None if network is None else _proof(network, trace),
        trace=trace,
        checkpoint=checkpoint,
        results=results,
        read=tuple(read),
    )


def _result(path: Path, verb: str) -> Record:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"file {str(path)!r} cannot be read: {error.strerror}; check its permissions") from None
    return read_record(path, data, verb=verb)


def _checkpoint(path: Path) -> Record | None:
    if not path.is_file():
        return None
    from qif_deploy.training.checkpoint_header import read_description

    return Record(file=str(path), verb="train", where="", values=read_description(path))


def _network(path: Path) -> QuantizedGraph | None:
    if not path.is_file():
        return None
    from qif_export.nir.read import read_nir

    return read_nir(path)


def _proof(network: QuantizedGraph, trace: Trace | None) -> CheckReport:
    if trace is None:
        return check_network(network)
    return check_network(network, observed=observe(network, trace), observed_on=f"{trace.samples} samples of {VECTORS}")


def _hashed(path: Path, network: str | None) -> ReadFile:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as stream:
        while part := stream.read(1 << 20):
            digest.update(part)
            size += len(part)
    return ReadFile(name=path.name, sha256=digest.hexdigest(), size=size, network=network)


def _require_one_network(folder: Path, read: list[ReadFile]) -> None:
    named = [file for file in read if file.network is not None]
    for file in named[1:]:
        if file.network != named[0].network:
            raise InputError(
                f"run folder {str(folder)!r}: {file.name} is of network {str(file.network)[:12]!r}, {named[0].name} of "
                f"{str(named[0].network)[:12]!r}; they do not belong together, write {file.name} again with "
                f"`qif-deploy {RESULTS[file.name]}`"
            )


def _require_metrics_of(checkpoint: Record | None, metrics: Record | None) -> None:
    if checkpoint is not None and metrics is not None and dict(checkpoint.record("metrics").values) != dict(metrics.values):
        raise InputError(
            f"file {metrics.file!r} does not hold the metrics that {checkpoint.file!r} was stored with; they do not belong together, "
            "train again or remove one of them"
        )
