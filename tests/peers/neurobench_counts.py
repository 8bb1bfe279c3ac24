"""Run networks of the tests under NeuroBench's own package and write its counts to ``neurobench_counts.json``.

    python -m tests.peers.neurobench_counts

Needs the group ``peers`` (neurobench 2.3.0). The networks are torch modules with the codes as weights; their neurons compute the integer
step in int64. NeuroBench hooks into them as into any snnTorch model. Its counts are compared with ours in ``test_neurobench.py``,
where the package is not needed.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from qif_deploy.fixedpoint import RoundingMode
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, Conv2dCodes, ConvGeometry, DenseCodes, Flatten, Population, ReadoutCodes, SumPool2d
from qif_deploy.neuron.fixed_step import fixed_step
from qif_deploy.shapes import channelwise
from tests.networks import chain, number_format, population, proven, random_inputs, residual, weights

COUNTS = Path(__file__).with_name("neurobench_counts.json")
SAMPLES = 16


def strided() -> QuantizedGraph:
    """Binary events, stride, dilation and groups, and a third of all weights zero."""
    rng, fmt = np.random.default_rng(4), number_format(RoundingMode.TOWARD_ZERO)

    def thin(*shape: int) -> np.ndarray:
        return np.where(rng.random(shape) < 1 / 3, 0, weights(rng, *shape)).astype(np.int32)

    nodes = {
        "events": CodeInput(shape=(2, 9, 8), low=0, high=1, scale=1.0),
        "conv1": Conv2dCodes(weight=thin(4, 2, 3, 3), shift=2, geometry=ConvGeometry(stride=(2, 1), padding=(1, 0))),
        "q1": population(rng, 4, fmt=fmt),
        "conv2": Conv2dCodes(weight=thin(6, 2, 2, 3), shift=2, geometry=ConvGeometry(padding=(1, 1), dilation=(2, 1), groups=2)),
        "q2": population(rng, 6, fmt=fmt),
        "flat": Flatten(),
        "fc": DenseCodes(weight=thin(3, 180), shift=0),
        "out": ReadoutCodes(bias=np.zeros(3, np.int64), delta=1 / 600),
    }
    names = list(nodes)
    return proven(nodes, tuple(pairwise(names)), fmt, 4)


NETWORKS = {"chain": chain, "residual": residual, "strided": strided}


def inputs_of(graph: QuantizedGraph) -> dict[str, np.ndarray]:
    """The inputs that NeuroBench counted on."""
    return random_inputs(graph, samples=SAMPLES)


def neurobench_counts(graph: QuantizedGraph) -> dict[str, Any]:
    """Return what NeuroBench measures of ``graph``."""
    import torch
    from neurobench.benchmarks import Benchmark
    from neurobench.metrics.static import ConnectionSparsity
    from neurobench.metrics.workload import ActivationSparsity, MembraneUpdates, SynapticOperations
    from neurobench.models import NeuroBenchModel
    from torch.utils.data import DataLoader, TensorDataset

    class Model(NeuroBenchModel):
        def __init__(self, net: Any) -> None:
            super().__init__()
            self.net = net
            self.add_activation_module(type(next(m for m in net.modules() if hasattr(m, "constants"))))

        def __call__(self, batch: Any) -> Any:
            return self.net(batch)

        def __net__(self) -> Any:
            return self.net

    (name,) = graph.inputs
    codes = torch.from_numpy(np.moveaxis(inputs_of(graph)[name], 0, 1).copy()).float()
    loader = DataLoader(TensorDataset(codes, torch.zeros(len(codes))), batch_size=len(codes))
    metrics = [[ConnectionSparsity], [ActivationSparsity, SynapticOperations, MembraneUpdates]]
    with torch.no_grad():
        found = Benchmark(Model(_module(graph)), loader, [], [], metrics).run(quiet=True)
    return {
        "connection_sparsity": found["ConnectionSparsity"],
        "activation_sparsity": found["ActivationSparsity"],
        "synaptic_operations": dict(found["SynapticOperations"]),
        "membrane_updates": found["MembraneUpdates"],
    }


def _module(graph: QuantizedGraph) -> Any:
    """The network as a torch module over ``(sample, time, ...)``."""
    import snntorch
    import torch
    from torch import nn

    class Neurons(snntorch.SpikingNeuron):  # type: ignore[misc]  # no types shipped
        def __init__(self, node: Population, ndim: int) -> None:
            super().__init__(init_hidden=True)
            self.constants = node.constants.laid_out(ndim, torch.from_numpy)
            self.start = torch.from_numpy(channelwise(node.constants.r0, ndim).copy())
            self.bias = torch.from_numpy(channelwise(node.constants.bias, ndim).copy())

        def forward(self, current: Any) -> Any:
            i = current.long() + self.bias
            step = fixed_step(self.mem.long(), i, self.constants)
            self.mem = step.r.float()
            return step.s.float()

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = nn.ModuleDict()
            for name, node in graph.nodes.items():
                if isinstance(node, DenseCodes):
                    self.parts[name] = nn.Linear(node.weight.shape[1], node.weight.shape[0], bias=False)
                elif isinstance(node, Conv2dCodes):
                    g, (out, within, *kernel) = node.geometry, node.weight.shape
                    self.parts[name] = nn.Conv2d(
                        within * g.groups, out, kernel, stride=g.stride, padding=g.padding, dilation=g.dilation, groups=g.groups, bias=False
                    )
                elif isinstance(node, Population):
                    self.parts[name] = Neurons(node, len(graph.shapes[name]))
                if isinstance(node, DenseCodes | Conv2dCodes):
                    self.parts[name].weight.data = torch.tensor(node.weight.astype(np.float32))

        def forward(self, batch: Any) -> Any:
            for name in graph.populations:
                part = self.parts[name]
                part.mem = part.start.expand(len(batch), *graph.shapes[name]).float()
            return torch.stack([self._step(batch[:, t]) for t in range(batch.shape[1])], dim=1)

        def _step(self, frame: Any) -> Any:
            signals: dict[str, Any] = {}
            for name in graph.order:
                node, feeding = graph.nodes[name], [signals[source] for source in graph.sources(name)]
                match node:
                    case CodeInput():
                        signals[name] = frame
                    case DenseCodes() | Conv2dCodes():
                        signals[name] = self.parts[name](feeding[0]) * 2**node.shift
                    case SumPool2d():
                        window = node.kernel[0] * node.kernel[1]
                        signals[name] = nn.functional.avg_pool2d(feeding[0], node.kernel, node.stride) * window
                    case Flatten():
                        signals[name] = feeding[0].flatten(1)
                    case Population():
                        signals[name] = self.parts[name](sum(feeding))
                    case ReadoutCodes():
                        signals[name] = sum(feeding)
            return signals[graph.readout]

    return Net()


def main() -> None:
    """Write the counts of all networks."""
    found = {name: neurobench_counts(build()) for name, build in NETWORKS.items()}
    COUNTS.write_text(json.dumps({"neurobench": version("neurobench"), "samples": SAMPLES, "networks": found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
