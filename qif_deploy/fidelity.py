"""Float network against integer network on the same inputs: statistics only, never called exact."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qif_deploy.ir.graph import Graph, QuantizedGraph
from qif_deploy.ir.nodes import QIF
from qif_deploy.shapes import channelwise
from qif_deploy.simulate.float_sim import FloatTrace
from qif_deploy.simulate.trace import Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerFidelity:
    """One population: share of equal spike decisions, differing ones per float spike, rates, membrane error.

    ``membrane_rmse`` is the root mean square difference of ``u`` in units of ``theta - u_reset``.
    """

    name: str
    spike_agreement: float
    flips_per_spike: float | None
    rate_float: float
    rate_integer: float
    membrane_rmse: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Divergence:
    """First spike decision that differs: earliest step, then layer, then sample; ``margin`` is the float ``u - theta``."""

    population: str
    step: int
    sample: int
    neuron: tuple[int, ...]
    u_float: float
    u_integer: float
    margin: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Fidelity:
    """Agreement of a whole network; accuracies are None without labels."""

    accuracy_float: float | None
    accuracy_integer: float | None
    samples: int
    spike_agreement: float | None
    flips_per_spike: float | None
    layers: tuple[LayerFidelity, ...]
    first_divergence: Divergence | None
    noise_floor: float | None

    def as_json(self) -> dict[str, Any]:
        """Return the keys of the ``diff`` contract; ``noise_floor`` is float32 against float64, flips per spike."""
        return {
            "accuracy": {"float": self.accuracy_float, "integer": self.accuracy_integer},
            "samples": self.samples,
            "spike_agreement": self.spike_agreement,
            "flips_per_spike": self.flips_per_spike,
            "layers": [asdict(layer) for layer in self.layers],
            "first_divergence": None if self.first_divergence is None else asdict(self.first_divergence),
            "noise_floor": {"float32_against_float64_flips_per_spike": self.noise_floor},
        }


def compare_fidelity(
    graph: Graph,
    quantized: QuantizedGraph,
    exact: FloatTrace,
    integer: Trace,
    *,
    labels: NDArray[np.int64] | None,
    single: FloatTrace | None = None,
) -> Fidelity:
    """Compare a float64 run with an integer run of the same inputs.

    Args:
        graph: the float network.
        quantized: the integer network made of it; populations bear the same names.
        exact: float64 run.
        integer: integer run.
        labels: class per sample, None when unknown.
        single: float32 run of the same inputs, for the noise floor.
    """
    layers = tuple(_layer(graph, quantized, exact, integer, name) for name in quantized.populations)
    flips = sum(int((exact.populations[n].s != integer.populations[n].s).sum()) for n in quantized.populations)
    decisions = sum(integer.populations[n].s.size for n in quantized.populations)
    spikes = sum(int(exact.populations[n].s.sum()) for n in quantized.populations)
    floor = None
    if single is not None and spikes:
        floor = sum(int((exact.populations[n].s != single.populations[n].s).sum()) for n in quantized.populations) / spikes
    return Fidelity(
        accuracy_float=_accuracy(exact.readout, labels),
        accuracy_integer=_accuracy(integer.readout, labels),
        samples=integer.samples,
        spike_agreement=1 - flips / decisions if decisions else None,
        flips_per_spike=flips / spikes if spikes else None,
        layers=layers,
        first_divergence=_first_divergence(graph, quantized, exact, integer),
        noise_floor=floor,
    )


def _accuracy(readout: NDArray[Any], labels: NDArray[np.int64] | None) -> float | None:
    return None if labels is None else float((readout.argmax(axis=1) == labels).mean())


def _layer(graph: Graph, quantized: QuantizedGraph, exact: FloatTrace, integer: Trace, name: str) -> LayerFidelity:
    a, b = exact.populations[name], integer.populations[name]
    differ, spikes = int((a.s != b.s).sum()), int(a.s.sum())
    node = graph.nodes[name]
    assert isinstance(node, QIF)
    ndim = b.u.ndim - 2
    delta = quantized.population(name).delta
    span = channelwise((node.params.theta - node.params.u_reset) * np.ones_like(delta), ndim)
    error = (b.u * channelwise(delta, ndim) - a.u) / span
    return LayerFidelity(
        name=name,
        spike_agreement=1 - differ / a.s.size,
        flips_per_spike=differ / spikes if spikes else None,
        rate_float=float(a.s.mean()),
        rate_integer=float(b.s.mean()),
        membrane_rmse=float(np.sqrt(np.mean(error**2))),
    )


def _first_divergence(graph: Graph, quantized: QuantizedGraph, exact: FloatTrace, integer: Trace) -> Divergence | None:
    for t in range(integer.steps):
        for name in quantized.populations:
            a, b = exact.populations[name], integer.populations[name]
            where = np.argwhere(a.s[t] != b.s[t])
            if not where.size:
                continue
            sample, *neuron = (int(n) for n in where[0])
            node = graph.nodes[name]
            assert isinstance(node, QIF)
            theta = node.params.broadcast(quantized.population(name).constants.channels).theta[neuron[0]]
            index = (t, sample, *neuron)
            u, code = float(a.u[index]), int(b.u[index])
            return Divergence(
                population=name,
                step=t,
                sample=sample,
                neuron=tuple(neuron),
                u_float=u,
                u_integer=code * float(quantized.population(name).delta[neuron[0]]),
                margin=u - float(theta),
            )
    return None
