"""Turn a checkpoint, or a NIR file of any tool, into a float graph of ours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qif_deploy.analysis.reachable import require_coverable
from qif_deploy.api.files import destination, keep
from qif_deploy.api.loading import ForeignModel, load_float_model
from qif_deploy.errors import InputError
from qif_deploy.ir.graph import Graph
from qif_deploy.ir.nodes import Conv2d, Dense, Input
from qif_deploy.version import __version__

if TYPE_CHECKING:
    from qif_export.export_report import ExportReport


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertOutcome:
    """The float graph's file, where it came from, and how its neurons were read."""

    path: Path
    graph: Graph
    source: str
    convention: str | None
    notes: tuple[str, ...]
    steps: int | None
    fold_residual: float
    report: ExportReport

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "artefacts": {"graph": str(self.path)},
            "sha256": self.report.sha256,
            "source": self.source,
            "convention": self.convention,
            "notes": list(self.notes),
            "steps": self.steps,
            "fold_residual": self.fold_residual,
            "inputs": {name: self._input(name) for name in self.graph.inputs},
            "populations": {name: list(self.graph.shapes[name]) for name in self.graph.populations},
            "weights": sum(node.weight.size for node in self.graph.nodes.values() if isinstance(node, Dense | Conv2d)),
        }

    def _input(self, name: str) -> dict[str, Any]:
        node = self.graph.nodes[name]
        assert isinstance(node, Input)
        return {"shape": list(node.shape), "low": node.low, "high": node.high, "scale": node.scale}


def convert(model: Path, *, out: Path | None = None, how: ForeignModel | None = None, steps: int | None = None) -> ConvertOutcome:
    """Write the float graph of ``model``, BatchNorm folded, as ``graph.nir`` beside it unless ``out`` names a file.

    Args:
        model: checkpoint, or NIR file of this or another tool.
        out: the file.
        how: what a file of another tool does not say itself.
        steps: T that the network is meant for, None for the model's; a foreign file has none.

    Raises:
        InputError: not a float model, choices that the model leaves no room for, or what cannot be represented, all of it at once
            with what to do.
    """
    from qif_export.nir.float_facts import FloatFacts
    from qif_export.nir.float_write import write_float_nir

    path = destination(out, default=Path(model).parent / "graph.nir")
    source = load_float_model(model, how)
    keep(path, model)
    steps = source.steps if steps is None else steps
    require_coverable(steps)
    facts = FloatFacts(
        steps=steps,
        dataset=source.dataset,
        encoder=None if source.dataset is None else source.encoder.value,
        provenance=dict(source.provenance) | {"converted_by": f"qif-deploy {__version__}"},
    )
    report = write_float_nir(source.graph, path, facts)
    return ConvertOutcome(
        path=path,
        graph=source.graph,
        source=source.kind,
        convention=source.convention,
        notes=source.notes,
        steps=steps,
        fold_residual=max(source.fold.residual.values(), default=0.0),
        report=report,
    )


def foreign_model(
    *,
    convention: str | None = None,
    dt: float | None = None,
    reset: str | None = None,
    spike_at: str | None = None,
    unit_gain: bool = False,
    input_range: str | None = None,
    input_scale: float | None = None,
    readout: str | None = None,
    drop_leak: bool = False,
) -> ForeignModel:
    """Return what a foreign file does not say, from the words of the command line.

    Raises:
        InputError: an unknown word, or a range that is none.
    """
    low, high = (None, None) if input_range is None else _range(input_range)
    return ForeignModel(
        convention=convention,
        dt=dt,
        reset=reset,
        spike_at=spike_at,
        unit_gain=unit_gain,
        input_low=low,
        input_high=high,
        input_scale=input_scale,
        readout=readout,
        drop_leak=drop_leak,
    )


def _range(word: str) -> tuple[int, int]:
    parts = word.split(":")
    try:
        low, high = (int(part) for part in parts)
    except ValueError:
        raise InputError(f"input range {word!r} is not LOW:HIGH, as in 0:255; give the smallest and largest code") from None
    return low, high


__all__ = ["ConvertOutcome", "convert", "foreign_model"]
