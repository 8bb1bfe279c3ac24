"""The integer network cut behind every population, so that each layer can be fed with the float network's spikes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, CodeNode
from qif_deploy.shapes import InputCodes, SpikeTrain


@dataclass(frozen=True, slots=True, kw_only=True)
class CutNetwork:
    """``graph`` computes every population from inputs; ``fed`` maps a population to the input that stands for its spikes."""

    graph: QuantizedGraph
    fed: Mapping[str, str]

    def inputs(self, codes: Mapping[str, InputCodes], spikes: Mapping[str, SpikeTrain]) -> dict[str, InputCodes]:
        """Return the inputs of the cut network: the network's own, and ``spikes`` of the float network by population."""
        fed: dict[str, Any] = {
            name: spikes[population] for population, name in self.fed.items()
        }  # Any: bytes, as codes of any width may be
        return dict(codes) | fed


def cut(quantized: QuantizedGraph) -> CutNetwork:
    """Return the network with an input of spikes in the place of every population that something reads."""
    taken = set(quantized.nodes)
    fed: dict[str, str] = {}
    for population in quantized.populations:
        if quantized.targets(population):
            name = f"{population}.forced"
            while name in taken:
                name += "_"
            taken.add(name)
            fed[population] = name
    spikes: dict[str, CodeNode] = {
        name: CodeInput(shape=quantized.shapes[population], low=0, high=1, scale=1.0) for population, name in fed.items()
    }
    return CutNetwork(
        graph=QuantizedGraph(
            nodes=spikes | dict(quantized.nodes),
            edges=tuple((fed.get(a, a), b) for a, b in quantized.edges),
            number_format=quantized.number_format,
            steps=quantized.steps,
        ),
        fed=fed,
    )


__all__ = ["CutNetwork", "cut"]
