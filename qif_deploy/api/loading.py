"""Files of every kind into objects, with one clear line for a wrong one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qif_deploy.datasets.catalogue import EVENT_DATA, STREAMS, open_dataset
from qif_deploy.datasets.dataset import StreamedDataset
from qif_deploy.datasets.encoders import Encoder, encoded_sample
from qif_deploy.datasets.source import SampleSource
from qif_deploy.errors import InputError, raise_findings
from qif_deploy.ir.graph import Graph, QuantizedGraph
from qif_deploy.ir.nodes import Reduce
from qif_deploy.neuron.params import ResetMode
from qif_deploy.passes.fold_batchnorm import FoldReport, fold_batchnorm
from qif_deploy.reading.array_file import read_arrays
from qif_deploy.shapes import InputCodes
from qif_deploy.simulate.inputs import encode as encode_floats
from qif_deploy.simulate.inputs import prepare_inputs
from qif_deploy.suggestion import missing_file, unknown_word

if TYPE_CHECKING:
    from qif_export.nir.importing.walk import InputCoding


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatModel:
    """A float graph with BatchNorm folded, the steps it was trained for, and the data set and encoder it was trained on.

    ``steps`` is None where the file names none. ``kind`` says in words what was read, ``convention`` in whose discrete time,
    ``notes`` what the file did not say in so many words, ``provenance`` what it says of its origin.
    """

    graph: Graph
    fold: FoldReport
    steps: int | None
    dataset: str | None
    encoder: Encoder = Encoder.DIRECT
    kind: str = "checkpoint"
    convention: str | None = None
    notes: tuple[str, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignModel:
    """What a NIR file of another tool does not say itself.

    Args:
        convention: whose discrete time its LIF and IF are read in: nir, snntorch, norse, sinabs, spikingjelly or rockpool;
            None recognises it by the parameters.
        dt: time step in the unit of the file's time constants; None for the convention's.
        reset: "hard" or "subtract"; None for the convention's.
        spike_at: ">=" or ">"; None for the convention's.
        unit_gain: the input current of a neuron is taken as it is, not scaled.
        input_low: smallest input code; None for 0.
        input_high: largest input code; None for 1.
        input_scale: value of one input code; None for 1.
        readout: "sum" or "last" of the currents, where the network ends without spikes; None for "sum".
        drop_leak: read a leaky integrator at the end as that readout, without its leak.
    """

    convention: str | None = None
    dt: float | None = None
    reset: str | None = None
    spike_at: str | None = None
    unit_gain: bool = False
    input_low: int | None = None
    input_high: int | None = None
    input_scale: float | None = None
    readout: str | None = None
    drop_leak: bool = False

    def __post_init__(self) -> None:
        findings = []
        for name, word, known in (
            ("reset", self.reset, ("hard", "subtract")),
            ("spike_at", self.spike_at, (">=", ">")),
            ("readout", self.readout, ("sum", "last")),
        ):
            if word is not None and word not in known:
                findings.append(str(unknown_word(name, word, known)))
        raise_findings(InputError, findings)


def load_float_model(path: Path, how: ForeignModel | None = None) -> FloatModel:
    """Read a checkpoint and fold its BatchNorm, or read a float NIR file of this or another tool, or a float ONNX model of our neurons.

    Raises:
        InputError: missing, damaged, not a float model, or holding what cannot be represented.
    """
    path = existing_file(path)
    match path.suffix:
        case ".safetensors":
            _require_no_choices(path, "a checkpoint", how)
            return _load_checkpoint(path)
        case ".nir":
            return _load_float_nir(path, ForeignModel() if how is None else how)
        case ".onnx":
            _require_no_choices(path, "an ONNX model", how)
            return _load_float_onnx(path)
        case _:
            raise InputError(
                f"model {str(path)!r} is no checkpoint (.safetensors), NIR file (.nir) or ONNX model (.onnx); "
                "make one with `qif-deploy train`"
            )


def _require_no_choices(path: Path, kind: str, how: ForeignModel | None) -> None:
    if how is not None and how != ForeignModel():
        raise InputError(f"model {str(path)!r} is {kind}, which says all of itself; leave the choices for foreign files out")


def _load_checkpoint(path: Path) -> FloatModel:
    from qif_deploy.training.checkpoint import load_checkpoint
    from qif_deploy.training.to_graph import to_graph

    checkpoint = load_checkpoint(path)
    graph, fold = fold_batchnorm(to_graph(checkpoint.network))
    recipe = checkpoint.recipe
    return FloatModel(graph=graph, fold=fold, steps=recipe.steps, dataset=recipe.dataset, encoder=recipe.encoder)


def _load_float_nir(path: Path, how: ForeignModel) -> FloatModel:
    from qif_export.nir.importing.conventions import Convention
    from qif_export.nir.importing.importer import ImportOptions, read_float_nir
    from qif_export.nir.importing.walk import Ends

    known = [convention.value for convention in Convention]
    if how.convention is not None and how.convention not in known:
        raise unknown_word("convention", how.convention, known)
    options = ImportOptions(
        convention=None if how.convention is None else Convention(how.convention),
        dt=how.dt,
        reset=None if how.reset is None else ResetMode(how.reset),
        spike_on_equal=None if how.spike_at is None else how.spike_at == ">=",
        unit_gain=how.unit_gain,
        coding=_input_coding(how),
        ends=None if how.readout is None and not how.drop_leak else Ends(reduce=Reduce(how.readout or "sum"), drop_leak=how.drop_leak),
    )
    found = read_float_nir(path, options)
    facts = found.facts
    if facts.encoder is not None and facts.encoder not in [encoder.value for encoder in Encoder]:
        raise InputError(f"model {str(path)!r} names the encoder {facts.encoder[:40]!r}, which is unknown; convert the checkpoint again")
    return FloatModel(
        graph=found.graph,
        fold=FoldReport(residual={}),
        steps=facts.steps,
        dataset=facts.dataset,
        encoder=Encoder.DIRECT if facts.encoder is None else Encoder(facts.encoder),
        kind=f"NIR, {found.kind.value}",
        convention=found.convention,
        notes=found.notes,
        provenance=facts.provenance | ({} if found.convention is None else {"convention": found.convention}),
    )


def _input_coding(how: ForeignModel) -> InputCoding | None:
    from qif_export.nir.importing.walk import InputCoding

    if how.input_low is how.input_high is how.input_scale is None:
        return None
    usual = InputCoding()
    return InputCoding(
        low=usual.low if how.input_low is None else how.input_low,
        high=usual.high if how.input_high is None else how.input_high,
        scale=usual.scale if how.input_scale is None else how.input_scale,
    )


def _load_float_onnx(path: Path) -> FloatModel:
    from qif_export.onnx.foreign import read_float_onnx

    found = read_float_onnx(path)
    graph, fold = fold_batchnorm(found.graph)
    return FloatModel(graph=graph, fold=fold, steps=found.steps, dataset=None, kind="ONNX, float model")


def load_network(path: Path) -> QuantizedGraph:
    """Read an integer network from ``net.nir``, or from an ONNX file that was exported from one.

    Raises:
        InputError: missing, damaged, or not an integer network.
    """
    path = existing_file(path)
    if path.suffix == ".onnx":
        from qif_export.onnx.read import read_onnx

        return read_onnx(path)
    if path.suffix != ".nir":
        raise InputError(f"network {str(path)!r} is not a .nir file; make one with `qif-deploy quantize`")
    from qif_export.nir.read import read_nir

    return read_nir(path)


def existing_file(path: Path) -> Path:
    """Return ``path`` when it is a file.

    Raises:
        InputError: missing, or a folder.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"file {str(path)!r} is a folder; give the file inside it")
    if not path.exists():
        raise missing_file(path)
    return path


def read_inputs(graph: QuantizedGraph, path: Path, *, steps: int | None, encode: bool) -> dict[str, InputCodes]:
    """Read ``.npy`` or ``.npz`` codes (floats with ``encode``) and prepare them for ``graph``."""
    arrays: Mapping[str, NDArray[np.generic]] = read_arrays(existing_file(path))
    return prepare_inputs(graph, encode_floats(graph, arrays) if encode else arrays, steps=steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class RealInputs:
    """Codes of real samples, their labels where known, and where they come from."""

    codes: dict[str, InputCodes]
    labels: NDArray[np.int64] | None
    source: str


def dataset_inputs(graph: QuantizedGraph, name: str | None, *, samples: int | None, root: Path | None = None) -> RealInputs:
    """Return test samples of a data set as the network was trained to take them: held, as frames of events, or as spikes.

    Args:
        graph: the network; its provenance names the data set when ``name`` is None, and the encoder.
        name: data set.
        samples: how many of the test part, from its start; None for all.
        root: folder that holds the folders of data sets that no package carries.

    Raises:
        InputError: no data set is known, its samples do not fit the network, or all of them would not fit into memory.
    """
    named = graph.provenance.get("dataset") if name is None else name
    if named in STREAMS and samples is None:
        raise InputError(f"data set {named!r} is read sample by sample, and all of it may not fit into memory; give --samples N")
    name, dataset = open_for_network(graph, name, root=root)
    chosen = range(len(dataset.test) if samples is None else min(samples, len(dataset.test)))
    codes = shown(dataset, dataset.test, chosen, encoder=encoder_of(graph), steps=1 if graph.steps is None else graph.steps)
    prepared = prepare_inputs(graph, {graph.inputs[0]: codes}, steps=graph.steps)
    return RealInputs(codes=prepared, labels=dataset.test.labels[: len(chosen)], source=f"{name}, test part")


def open_for_network(graph: QuantizedGraph, name: str | None, *, root: Path | None) -> tuple[str, StreamedDataset]:
    """Return the name of the data set, the network's own where ``name`` is None, and the data set opened for ``graph``.

    Raises:
        InputError: no data set is known, or it has one input where the network has several.
    """
    name = graph.provenance.get("dataset") if name is None else name
    if name is None:
        raise InputError("the network names no data set; give real input with --data, by name or as .npy of codes")
    dataset = open_for(name, steps=graph.steps, root=root)
    if len(graph.inputs) != 1:
        raise InputError(f"data set {name!r} feeds one input, the network has {list(graph.inputs)}; give an .npz with --data")
    return name, dataset


def open_for(name: str, *, steps: int | None, root: Path | None = None) -> StreamedDataset:
    """Open a data set for a network of ``steps`` steps: events come in as many frames.

    Raises:
        InputError: no such data set, or no folder where it needs one.
    """
    return open_dataset(name, root=root, frames=steps if name in EVENT_DATA else None)


def shown(dataset: StreamedDataset, part: SampleSource, chosen: Iterable[int], *, encoder: Encoder, steps: int) -> NDArray[Any]:
    """Return samples as the trainer shows them in evaluation: ``(sample, ...)`` to be held, or ``(time, sample, ...)``."""
    drawn = [encoded_sample(part[n][0], encoder, steps=steps, high=dataset.high, seed=0, epoch=0, index=n) for n in chosen]
    codes = np.stack(drawn)
    timed = dataset.frames is not None or encoder is Encoder.RATE
    return np.moveaxis(codes, 1, 0) if timed else codes


def encoder_of(graph: QuantizedGraph) -> Encoder:
    """Return the encoder that the network was trained with, by its provenance.

    Raises:
        InputError: an unknown word, or spikes at a rate without a number of steps.
    """
    word = graph.provenance.get("encoder", Encoder.DIRECT.value)
    known = [encoder.value for encoder in Encoder]
    if word not in known:
        raise InputError(f"the network's provenance names the encoder {word!r}, known are {', '.join(known)}; give codes with --data X.npy")
    if word == Encoder.RATE.value and graph.steps is None:
        raise InputError("the network takes spikes at a rate and fixes no number of steps; give codes with --data X.npy")
    return Encoder(word)
