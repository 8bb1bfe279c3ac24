"""Write the NIR files of other frameworks, each beside what the framework itself computes with the same network.

    python tests/export/peers/make_files.py FRAMEWORK FOLDER

needs that framework and nothing of this project (versions in ``.ci/peers``). Per case it writes ``FRAMEWORK-CASE.nir.gz``, by the
framework's own exporter, and ``FRAMEWORK-CASE.npz``: ``input`` codes ``(time, batch, ...)``, and ``spikes.N`` of its N-th neuron
layer or ``output`` where the end does not spike. Weights are multiples of 1/64, so that 8-bit codes hold them exactly.
"""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

STEPS, BATCH = 16, 4
Recorded = dict[str, np.ndarray]


def grid(rng: np.random.Generator, shape: tuple[int, ...], *, low: int = -44, high: int = 30) -> np.ndarray:
    """Weights ``(out, ...)`` in multiples of 1/64; one of each row is 127/64, which makes 1/64 the value of an 8-bit code."""
    rows = rng.integers(low, high, shape).reshape(shape[0], -1)
    rows[np.arange(shape[0]), rng.integers(0, rows.shape[1], shape[0])] = 127
    return rows.reshape(shape) / 64


def graded(module: torch.nn.Module, seed: int, *, low: int = -44, high: int = 30) -> torch.nn.Module:
    """Give every weight a value of the grid, and every bias a multiple of 1/32."""
    rng = np.random.default_rng(seed)
    for layer in (m for m in module.modules() if isinstance(m, torch.nn.Linear | torch.nn.Conv2d | torch.nn.Conv1d)):
        for parameter in layer.parameters():
            shape = tuple(parameter.shape)
            values = grid(rng, shape, low=low, high=high) if len(shape) > 1 else rng.integers(-4, 5, shape) / 32
            parameter.data = torch.tensor(values, dtype=torch.float32)
    return module


def spikes_in(seed: int, *shape: int) -> np.ndarray:
    """Input spikes ``(time, batch, ...)``."""
    return (np.random.default_rng(seed).random((STEPS, BATCH, *shape)) < 0.4).astype(np.uint8)


def recorded(layers: list[torch.nn.Module], run: Callable[[], Any]) -> Recorded:
    """Run step by step and stack what each of ``layers`` gives out, ``(time, batch, ...)``."""
    seen: list[list[np.ndarray]] = [[] for _ in layers]

    def keep(n: int) -> Any:
        def hook(_module: Any, _input: Any, output: Any) -> None:
            first = output[0] if isinstance(output, tuple) else output
            seen[n].append(first.detach().numpy().copy())

        return hook

    handles = [layer.register_forward_hook(keep(n)) for n, layer in enumerate(layers)]
    with torch.no_grad():
        run()
    for handle in handles:
        handle.remove()
    return {f"spikes.{n}": np.stack(rows) for n, rows in enumerate(seen)}


# ---------------------------------------------------------------- snnTorch 1.0.0


def snntorch() -> Iterator[tuple[str, Any, Recorded]]:
    import snntorch as snn
    from snntorch.export_nir import export_to_nir

    def case(net: Any, codes: np.ndarray) -> tuple[Any, Recorded]:
        layers = [m for m in net if isinstance(m, snn.Leaky | snn.Synaptic)]

        def run() -> None:
            for layer in layers:
                layer.reset_mem()
            for frame in codes:
                net(torch.tensor(frame, dtype=torch.float32))

        outputs = recorded(layers, run)
        for layer in layers:
            layer.reset_mem()
        return export_to_nir(net, torch.tensor(codes[0, :1], dtype=torch.float32), ignore_dims=[0]), {"input": codes} | outputs

    def leaky(beta: float, *shape: int, **more: Any) -> Any:
        # One value per neuron: the exporter writes scalars as they are, and the type check wants the neuron's shape.
        return snn.Leaky(beta=torch.full(shape, beta), threshold=torch.ones(shape), init_hidden=True, **more)

    def synaptic(*shape: int) -> Any:
        return snn.Synaptic(alpha=torch.full(shape, 0.5), beta=torch.full(shape, 0.75), threshold=torch.ones(shape), init_hidden=True)

    def dense(neuron: Callable[[int], Any], seed: int) -> Any:
        return graded(torch.nn.Sequential(torch.nn.Linear(12, 16), neuron(16), torch.nn.Linear(16, 5), neuron(5)), seed)

    for name, neuron in (
        ("subtract", lambda n: leaky(0.75, n)),
        ("zero", lambda n: leaky(0.75, n, reset_mechanism="zero")),
        ("if", lambda n: leaky(1.0, n)),
        ("synaptic", synaptic),
    ):
        yield name, *case(dense(neuron, 1), spikes_in(2, 12))
    conv = torch.nn.Sequential(
        torch.nn.Conv2d(2, 4, 3, padding=1),
        leaky(0.5, 4, 6, 6),
        torch.nn.AvgPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(36, 5),
        leaky(0.5, 5),
    )
    yield "conv", *case(graded(conv, 3), spikes_in(4, 2, 6, 6))
    recurrent = torch.nn.Sequential(
        torch.nn.Linear(12, 8), snn.RLeaky(beta=0.75, linear_features=8, init_hidden=True), torch.nn.Linear(8, 5), leaky(0.75, 5)
    )
    yield "recurrent", export_to_nir(graded(recurrent, 5), torch.zeros(1, 12), ignore_dims=[0]), {"input": spikes_in(6, 12)}


# ---------------------------------------------------------------- Norse 1.1.0


def norse() -> Iterator[tuple[str, Any, Recorded]]:
    import norse.torch as norse
    from norse.torch.utils.export_nir import to_nir

    def case(*modules: Any, codes: np.ndarray, neurons: tuple[int, ...], seed: int) -> tuple[Any, Recorded]:
        net = graded(norse.SequentialState(*modules), seed)
        layers = [modules[n] for n in neurons]

        def run() -> None:
            state = None
            for frame in codes:
                _, state = net(torch.tensor(frame, dtype=torch.float32), state)

        return to_nir(net, torch.tensor(codes[0], dtype=torch.float32)), {"input": codes} | recorded(layers, run)

    def box(cell: Any, parameters: Any, n: int, **values: float) -> Any:
        # One value per neuron: the exporter's scalars are tensors without axes, which nir 1.0.8 cannot write.
        return cell(parameters(**{key: torch.full((n,), value) for key, value in values.items()}))

    def lif(n: int) -> Any:
        return box(norse.LIFBoxCell, norse.LIFBoxParameters, n, tau_mem_inv=250.0, v_leak=0.0, v_th=0.5, v_reset=0.0)

    def iaf(n: int) -> Any:
        return box(norse.IAFCell, norse.IAFParameters, n, v_th=1.0, v_reset=0.0)

    def li(n: int) -> Any:
        return box(norse.LIBoxCell, norse.LIBoxParameters, n, tau_mem_inv=250.0, v_leak=0.0)

    first, second = torch.nn.Linear(12, 16), torch.nn.Linear(16, 5)
    yield "lif", *case(first, lif(16), second, lif(5), codes=spikes_in(2, 12), neurons=(1, 3), seed=1)
    yield "if", *case(first, iaf(16), second, iaf(5), codes=spikes_in(2, 12), neurons=(1, 3), seed=1)
    yield "li", *case(first, lif(16), second, li(5), codes=spikes_in(2, 12), neurons=(1, 3), seed=1)
    yield "linear", *case(first, lif(16), second, codes=spikes_in(2, 12), neurons=(1, 2), seed=1)
    cuba = box(norse.LIFCell, norse.LIFParameters, 16, tau_mem_inv=250.0, tau_syn_inv=500.0, v_leak=0.0, v_th=0.5, v_reset=0.0)
    yield "synaptic", *case(first, cuba, second, lif(5), codes=spikes_in(2, 12), neurons=(1, 3), seed=1)


# ---------------------------------------------------------------- Rockpool 3.1.0


def rockpool() -> Iterator[tuple[str, Any, Recorded]]:
    from rockpool.nn.combinators import Sequential
    from rockpool.nn.modules import LIFNeuronTorch, LIFTorch, LinearTorch
    from rockpool.nn.modules.torch.nir import to_nir

    def case(neuron: Callable[[int], Any], *, has_bias: bool = False) -> tuple[Any, Recorded]:
        rng, codes = np.random.default_rng(1), spikes_in(2, 12)
        weights = [torch.tensor(grid(rng, shape).T.copy(), dtype=torch.float32) for shape in ((16, 12), (5, 16))]
        layers = [neuron(16), neuron(5)]
        linear = [
            LinearTorch(w.shape, weight=w, has_bias=has_bias, bias=torch.full((w.shape[1],), 0.125) if has_bias else None) for w in weights
        ]
        net = Sequential(linear[0], layers[0], linear[1], layers[1])
        exported = to_nir(net)
        net.reset_state()  # the exporter runs the network once
        outputs = recorded(layers, lambda: net(torch.tensor(codes.swapaxes(0, 1), dtype=torch.float32)))
        spikes = {key: value[0].swapaxes(0, 1) for key, value in outputs.items()}  # a layer sees all steps at once, batch first
        return exported, {"input": codes} | spikes

    def lif(n: int, **more: Any) -> Any:
        return LIFNeuronTorch(n, tau_mem=4e-3, threshold=1.0, dt=1e-3, max_spikes_per_dt=torch.tensor(1.0), **more)

    yield "lif", *case(lif)
    yield "affine", *case(lif, has_bias=True)
    yield "bias", *case(lambda n: lif(n, bias=0.25))
    yield "multi", *case(lambda n: LIFNeuronTorch(n, tau_mem=4e-3, threshold=0.25, dt=1e-3))
    yield "synaptic", *case(lambda n: LIFTorch(n, tau_mem=4e-3, tau_syn=2e-3, threshold=1.0, dt=1e-3))


# ---------------------------------------------------------------- Sinabs 3.1.3


def sinabs() -> Iterator[tuple[str, Any, Recorded]]:
    import sinabs.activation as activation
    import sinabs.layers as sl
    from sinabs.nir import to_nir

    def case(net: Any, codes: np.ndarray) -> tuple[Any, Recorded]:
        layers = [m for m in net if isinstance(m, sl.StatefulLayer)]
        frames = torch.tensor(codes.swapaxes(0, 1).reshape(-1, *codes.shape[2:]), dtype=torch.float32)  # batch, then time
        outputs = recorded(layers, lambda: net(frames))
        exported = to_nir(net, frames)
        exported.infer_types()  # the exporter leaves the shapes of convolution and flatten open, and nir cannot write None
        spikes = {k: v[0].reshape(BATCH, STEPS, *v.shape[2:]).swapaxes(0, 1) for k, v in outputs.items()}
        return exported, {"input": codes} | spikes

    def neuron(kind: Any, spike: Any = None, **more: Any) -> Any:
        spike = activation.SingleSpike if spike is None else spike
        return kind(batch_size=BATCH, spike_fn=spike, **more)

    def iaf(**more: Any) -> Any:
        return neuron(sl.IAFSqueeze, **more)

    def lif(**more: Any) -> Any:
        return neuron(sl.LIFSqueeze, tau_mem=torch.tensor(4.0), spike_threshold=torch.tensor(0.5), **more)

    def dense(make: Callable[[], Any]) -> Any:
        return graded(torch.nn.Sequential(torch.nn.Linear(12, 16), make(), torch.nn.Linear(16, 5), make()), 1)

    def conv() -> Any:
        net = torch.nn.Sequential(
            torch.nn.Conv2d(2, 4, 3, padding=1, bias=False), iaf(), sl.SumPool2d(2), torch.nn.Flatten(), torch.nn.Linear(36, 5), iaf()
        )
        return graded(net, 3)

    yield "if", *case(dense(iaf), spikes_in(2, 12))
    yield "lif", *case(dense(lif), spikes_in(2, 12))
    yield "unscaled", *case(dense(lambda: lif(norm_input=False)), spikes_in(2, 12))
    yield "multi", *case(dense(lambda: iaf(spike=activation.MultiSpike, spike_threshold=torch.tensor(0.25))), spikes_in(2, 12))
    yield "conv", *case(conv(), spikes_in(4, 2, 6, 6))


# ---------------------------------------------------------------- SpikingJelly 2.0.0


def spikingjelly() -> Iterator[tuple[str, Any, Recorded]]:
    from spikingjelly.activation_based import functional, layer, neuron
    from spikingjelly.activation_based.nir_exchange.to_nir import export_to_nir

    class Residual(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.sn1 = layer.Conv2d(2, 4, 3, padding=1), neuron.IFNode()
            self.conv2, self.sn2 = layer.Conv2d(4, 4, 3, padding=1, bias=False), neuron.IFNode()
            self.flat, self.fc, self.sn3 = layer.Flatten(), layer.Linear(144, 5), neuron.IFNode()

        def forward(self, x: Any) -> Any:
            first = self.sn1(self.conv1(x))
            return self.sn3(self.fc(self.flat(self.sn2(self.conv2(first)) + first)))

    def case(net: Any, codes: np.ndarray) -> tuple[Any, Recorded]:
        layers = [m for m in net.modules() if isinstance(m, neuron.BaseNode)]

        def run() -> None:
            functional.reset_net(net)
            for frame in codes:
                net(torch.tensor(frame, dtype=torch.float32))
            functional.reset_net(net)

        outputs = recorded(layers, run)
        return export_to_nir(net, torch.tensor(codes[0], dtype=torch.float32)), {"input": codes} | outputs

    def dense(make: Callable[[], Any]) -> Any:
        return graded(torch.nn.Sequential(layer.Linear(12, 16), make(), layer.Linear(16, 5), make()), 1)

    yield "if", *case(dense(neuron.IFNode), spikes_in(2, 12))
    yield "lif", *case(dense(lambda: neuron.LIFNode(tau=2.0, v_threshold=0.5)), spikes_in(2, 12))
    yield "input", *case(dense(lambda: neuron.LIFNode(tau=4.0, decay_input=False, v_reset=-0.25)), spikes_in(2, 12))
    yield "residual", *case(graded(Residual(), 3, low=-24, high=24), spikes_in(4, 2, 6, 6))
    conv = torch.nn.Sequential(
        layer.Conv2d(2, 4, 3, stride=(1, 2), padding=1), neuron.IFNode(), layer.AvgPool2d((2, 1)), layer.Flatten(), layer.Linear(36, 5),
        neuron.IFNode(),
    )  # fmt: skip
    yield "conv", *case(graded(conv, 5), spikes_in(6, 2, 6, 6))


FRAMEWORKS = {"snntorch": snntorch, "norse": norse, "rockpool": rockpool, "sinabs": sinabs, "spikingjelly": spikingjelly}


def main(framework: str, folder: Path) -> None:
    """Write every case of one framework."""
    import nir

    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    for name, graph, arrays in FRAMEWORKS[framework]():
        path = folder / f"{framework}-{name}"
        nir.write(str(path.with_suffix(".nir")), graph)
        packed = gzip.compress(path.with_suffix(".nir").read_bytes(), mtime=0)
        path.with_suffix(".nir").unlink()
        path.with_suffix(".nir.gz").write_bytes(packed)
        spikes = {
            key: value.astype(np.uint8) if (value == np.rint(value)).all() and value.min() >= 0 else value for key, value in arrays.items()
        }
        np.savez_compressed(path.with_suffix(".npz"), **spikes)
        counts = {key: round(float(value.mean()), 3) for key, value in arrays.items()}
        sys.stdout.write(f"{path.name}: {len(packed)} bytes, means {counts}\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
