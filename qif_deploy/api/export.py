"""Write an interchange file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qif_deploy.api.files import destination
from qif_deploy.api.loading import RealInputs, load_network, read_inputs
from qif_deploy.api.real_inputs import real_inputs
from qif_deploy.api.results import ExportOutcome
from qif_deploy.errors import InputError, QifError
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.suggestion import unknown_word

if TYPE_CHECKING:
    from qif_export.onnx.write import Probe

GOLDEN_SAMPLES, STEPS_OF_ANY = 32, 16
"""Samples of a bundle's golden vectors that are drawn, and their steps where the network's proof covers any number."""

FORMATS = ("nir", "onnx", "netx", "loihi2-bundle")
"""What can be written."""

VERIFIED_SAMPLES = 32
"""Real samples that an ONNX file is run on; as many as "exact" asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxChoices:
    """Profile, form and outputs of an ONNX file, in the words of the command line.

    Args:
        profile: ``exact`` (integers), ``float`` (whole numbers in floats, exact as well) or ``qdq`` (an approximation for vendor flows).
        form: ``sequence`` (the loop over time is in the file) or ``step`` (one step per call; states go in and out).
        states: populations whose states the file records: ``("all",)``, ``("none",)`` or names.
        inline: put the neuron's operators in place instead of calling one local function.
        data: real inputs to verify on, a data set or a ``.npy``/``.npz`` of codes; None for the network's own data set, where it is there.
        data_root: folder of data sets that no package carries.
    """

    profile: str = "exact"
    form: str = "sequence"
    states: tuple[str, ...] = ("all",)
    inline: bool = False
    data: str | None = None
    data_root: Path | None = None


def export(
    network: Path | QuantizedGraph,
    *,
    to: str,
    out: Path | None = None,
    input: Path | None = None,  # noqa: A002  # the flag's name
    onnx: OnnxChoices | None = None,
) -> ExportOutcome:
    """Write an interchange file, verified before it is reported.

    Args:
        network: ``net.nir``, an ONNX file that was exported from one, or a network in memory, which needs ``out``.
        to: ``nir``, ``onnx``, ``netx``, or ``loihi2-bundle`` (a folder for owners of the chip).
        out: the file or folder; default: beside the network.
        input: codes for the golden vectors of a bundle; default: drawn over the declared range, seeded.
        onnx: for ``onnx`` alone; None for the defaults.

    Raises:
        InputError: a file, name or choice that does not fit.
        UnsupportedError: the format cannot carry the network; all findings at once.
        BackendError: the file that was written does not give the reference's arrays.
    """
    if onnx is not None and to != "onnx":
        raise InputError(f"profile, form, states, inline and data are choices of ONNX files, not of {to!r}; leave them out")
    if input is not None and to != "loihi2-bundle":
        raise InputError(
            f"--input {str(input)!r} is for golden vectors, which --to {to} has none of; leave it out or use --to loihi2-bundle"
        )
    graph, home = (network, None) if isinstance(network, QuantizedGraph) else (load_network(network), Path(network))
    match to:
        case "onnx":
            return ExportOutcome(report=_export_onnx(graph, _file(home, ".onnx", out), onnx))
        case "nir":
            from qif_export.nir.write import write_nir

            return ExportOutcome(report=write_nir(graph, _file(home, ".nir", out)).as_json())
        case "netx":
            from qif_export.netx.write import write_netx

            return ExportOutcome(report=write_netx(graph, _file(home, ".net", out)).as_json())
        case "loihi2-bundle":
            return ExportOutcome(report=_bundle(graph, _beside(home, ".loihi2") if out is None else out, input))
        case _:
            raise unknown_word("format", to, FORMATS)


def _file(home: Path | None, suffix: str, out: Path | None) -> Path:
    """Return the file to write, ``out`` or beside the network's own file ``home``; asked before any work."""
    return destination(out, default=_beside(home, suffix) if out is None else Path(f"network{suffix}"), reads=(home,))


def _beside(home: Path | None, suffix: str) -> Path:
    """Return the default beside ``home``, unless that is the network itself.

    Raises:
        InputError: a network in memory lies beside nothing, or the default is the network.
    """
    if home is None:
        raise InputError("a network in memory has no file to write beside; name the new one with out")
    path = home.with_suffix(suffix)
    if path == home:
        raise InputError(f"export to {suffix[1:]} writes the file anew; name the new file with --out")
    return path


def _export_onnx(graph: QuantizedGraph, path: Path, choices: OnnxChoices | None) -> dict[str, object]:
    from qif_export.onnx.options import OnnxOptions
    from qif_export.onnx.write import write_onnx

    choices = OnnxChoices() if choices is None else choices
    options = OnnxOptions.of(profile=choices.profile, form=choices.form, states=choices.states, inline=choices.inline)
    probe, missing = _real_probe(graph, choices)
    report = write_onnx(graph, path, options, real=probe).as_json()
    return report if missing is None else report | {"not_verified_on": missing}


def _real_probe(graph: QuantizedGraph, choices: OnnxChoices) -> tuple[Probe | None, str | None]:
    """Return real inputs; else why there are none, which is an error only where some were asked for."""
    from qif_export.onnx.write import Probe

    try:
        found: RealInputs = real_inputs(graph, data=choices.data, input_file=None, samples=VERIFIED_SAMPLES, data_root=choices.data_root)
    except QifError as error:
        if choices.data is not None or choices.data_root is not None:
            raise
        return None, f"real input: {error}"
    return Probe(source=found.source, codes=found.codes), None


def _bundle(graph: QuantizedGraph, folder: Path, input_file: Path | None) -> dict[str, Any]:
    from qif_hardware.handoff.bundle import write_hand_off

    codes = _drawn(graph) if input_file is None else read_inputs(graph, input_file, steps=None, encode=False)
    written = write_hand_off(graph, folder, codes)
    fields = [{"field": name, "carried": "exact", "reason": f"sha256 {digest}"} for name, digest in written.sha256.items()]
    return written.as_json() | {"fields": fields}


def _drawn(graph: QuantizedGraph) -> dict[str, NDArray[np.int64]]:
    rng = np.random.default_rng(0)
    steps = STEPS_OF_ANY if graph.steps is None else graph.steps
    nodes = {name: graph.code_input(name) for name in graph.inputs}
    return {name: rng.integers(node.low, node.high + 1, (steps, GOLDEN_SAMPLES, *node.shape)) for name, node in nodes.items()}
