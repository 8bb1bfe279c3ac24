"""Other frameworks on networks of equal topology: SpikingJelly and snnTorch in floats, stock Lava in integers.

What is not installed is a row that says so. The two float frameworks go into a folder of their own, which PYTHONPATH names:

    pip install --no-deps --target /tmp/rivals spikingjelly snntorch
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from engine_speed import answers, prepared
from networks import LIF, Model, Pair, float_network, pair
from rows import Row
from timing import Clock, best_seconds, installed

from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, Conv2dCodes, ConvGeometry, DenseCodes, Flatten, Population, ReadoutCodes
from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.neuron.params import ResetMode
from qif_deploy.passes.fold_batchnorm import fold_batchnorm
from qif_deploy.passes.quantize import quantize_graph
from qif_deploy.simulate.engine.engine import Engine
from qif_deploy.simulate.engine.runner import Runner
from qif_deploy.simulate.reference import run_reference
from qif_deploy.training.layers import TimeFirst
from qif_deploy.training.network import SpikingNetwork
from qif_deploy.training.spec import DropoutLayer, NormLayer, PopulationLayer, ReadoutLayer
from qif_deploy.training.to_graph import to_graph
from qif_hardware.target import load_target

FloatRun = Callable[[torch.Tensor], torch.Tensor]
DIGITS = Model(name="conv", channels=(16, 32), hidden=128, shape=(1, 28, 28), codes=1)
FEWER, MORE = 8, 200
"""Samples of the two Lava runs; their difference has no start of the runtime in it."""


def against_float_frameworks(model: Model, batches: tuple[int, ...], rounds: int) -> Iterator[Row]:
    """A plain chain of layers with LIF neurons, same weights; T, batch and threads equal, best memory format of the rival."""
    network = float_network(model, LIF)
    graph, _ = quantize_graph(fold_batchnorm(to_graph(network))[0], load_target("loihi2").number_format, steps=model.steps)
    p = Pair(model=model, network=network, graph=graph)
    runner = prepared(p)
    for name, build in (("spikingjelly", _spikingjelly), ("snntorch", _snntorch)):
        try:
            rival = build(network)
        except ImportError as error:
            yield Row(what=f"engine / {name} float32 inference, {model.title} LIF", ratio=None, detail=f"{error.name} is not installed")
            continue
        with torch.inference_mode():
            share = _agreement(rival, network, p.frames(32))
            for batch in batches:
                codes, frames = p.codes(batch), p.frames(batch).float()
                ways: dict[str, Callable[[], Any]] = {"engine": partial(answers, runner, codes)}
                for memory in (torch.contiguous_format, torch.channels_last):
                    ways[str(memory)] = partial(rival, frames.contiguous(memory_format=memory))
                found = best_seconds(ways, rounds=rounds)
                best = min(seconds for way, seconds in found.items() if way != "engine")
                yield Row(
                    what=f"engine / {name} float32 inference, {model.title} LIF, batch {batch}",
                    ratio=best / found["engine"],
                    at_least=3,
                    detail=f"{batch / found['engine']:.1f} against {batch / best:.1f} samples/s, {name} {installed(name)}; "
                    f"{100 * share:.0f} % of 32 answers equal our float network's",
                )
    runner.workers.close()


def _agreement(rival: FloatRun, network: SpikingNetwork, frames: torch.Tensor) -> float:
    expected = network.reduce(network(frames)).argmax(1)
    return float((rival(frames.float()).sum(0).argmax(1) == expected).float().mean())


def _layers(network: SpikingNetwork) -> Iterator[tuple[str, Any]]:
    """Kind and torch layer of a chain, in order; norms as torch's own, with the same statistics."""
    for layer in network.spec.layers:
        module = network.by_name[layer.name] if not isinstance(layer, ReadoutLayer) else None
        match layer:
            case NormLayer():
                norm: Any = torch.nn.BatchNorm2d(layer.channels, eps=module.eps).eval()  # type: ignore[union-attr]
                norm.weight.data, norm.bias.data = module.folded_gain().detach(), module.shift.detach()  # type: ignore[union-attr,operator]
                norm.running_mean, norm.running_var = module.running_mean, module.running_var  # type: ignore[union-attr]
                yield "stateless", norm
            case PopulationLayer():
                yield "population", None
            case DropoutLayer() | ReadoutLayer():
                pass
            case _:
                assert isinstance(module, TimeFirst)
                yield "stateless", module.layer


def _spikingjelly(network: SpikingNetwork) -> FloatRun:
    """Multi-step mode: stateless layers over all steps at once, LIF with ``v / 2 + x`` and a hard reset to 0."""
    from spikingjelly.activation_based import functional, neuron

    parts: list[Any] = []
    for kind, layer in _layers(network):
        if kind == "population":
            parts.append(neuron.LIFNode(tau=2.0, decay_input=False, v_threshold=1.0, v_reset=0.0, step_mode="m", backend="torch").eval())
        elif parts and isinstance(parts[-1], list):
            parts[-1].append(layer)
        else:
            parts.append([layer])
    blocks = [torch.nn.Sequential(*part) if isinstance(part, list) else part for part in parts]

    def run(frames: torch.Tensor) -> torch.Tensor:
        x = blocks[0](frames * network.spec.input.scale)  # a held frame: its first block is computed once, as ours is
        x = x.expand(network.spec.steps, *x.shape)
        for block in blocks[1:]:
            x = functional.seq_to_ann_forward(x, block) if isinstance(block, torch.nn.Sequential) else block(x)
        for block in blocks:
            functional.reset_net(block)
        return x

    return run


def _snntorch(network: SpikingNetwork) -> FloatRun:
    """Step by step, as its tutorials have it: ``Leaky`` with beta 1/2 and a reset to zero."""
    import snntorch

    layers = [
        snntorch.Leaky(beta=0.5, threshold=1.0, reset_mechanism="zero", reset_delay=False) if kind == "population" else layer
        for kind, layer in _layers(network)
    ]

    def run(frames: torch.Tensor) -> torch.Tensor:
        held = layers[0](frames * network.spec.input.scale)
        states = {n: layer.init_leaky() for n, layer in enumerate(layers) if isinstance(layer, snntorch.Leaky)}
        outputs = []
        for _ in range(network.spec.steps):
            x = held
            for n, layer in enumerate(layers[1:], start=1):
                if n in states:
                    x, states[n] = layer(x, states[n])
                else:
                    x = layer(x)
            outputs.append(x)
        return torch.stack(outputs)

    return run


def against_lava(rounds: int) -> Iterator[Row]:
    """Stock Lava's normal runtime, one process per model, samples streamed back to back; the start of the runtime taken out."""
    chain, digits = _dense(), pair(DIGITS).graph
    for name, graph, batch in (("64-128-10 dense", chain, 16384), ("small conv net", conv_graph(), 4096), ("recipe mnist5k", digits, 4096)):
        what = f"engine / stock Lava, {name}"
        if installed("lava-nc") is None:
            yield Row(what=what, ratio=None, detail="lava-nc is not installed (Python 3.10 only)")
            continue
        from qif_hardware.lava.run import run_lava

        rng = np.random.default_rng(1)
        node = graph.code_input(graph.inputs[0])
        codes = rng.integers(node.low, node.high + 1, (4, batch, *node.shape))
        inputs = {graph.inputs[0]: codes}
        runner = Runner(Engine(graph, torch.device("cpu")))
        checked = {graph.inputs[0]: codes[:, :MORE]}
        expected = run_reference(graph, checked).readout
        if not np.array_equal(answers(runner, checked), expected):
            raise SystemExit(f"{name}: engine and reference differ; nothing is timed")
        # Ours first: what Lava's runtime leaves behind keeps the processors busy for a while.
        engine = best_seconds({"engine": partial(answers, runner, inputs)}, rounds=10 * rounds, clock=Clock.WALL)["engine"] / batch
        runner.workers.close()
        seconds = {}
        for samples in (FEWER, MORE):
            start = time.perf_counter()
            trace = run_lava(graph, {graph.inputs[0]: codes[:, :samples]}, time_limit_s=300)
            seconds[samples] = time.perf_counter() - start
            if not np.array_equal(trace.readout, expected[:samples]):
                raise SystemExit(f"{name}: Lava and reference differ; nothing is reported")
        per_sample = (seconds[MORE] - seconds[FEWER]) / (MORE - FEWER)
        if per_sample <= 0:
            yield Row(
                what=what, ratio=None, detail="the start of Lava's runtime varied by more than the samples took: the machine is too busy"
            )
            continue
        yield Row(
            what=what, ratio=per_sample / engine, at_least=2000,
            detail=f"{1 / engine:.0f} (batch {batch}) against {1 / per_sample:.2f} samples/s, T = 4; "
            f"Lava {MORE} samples in {seconds[MORE]:.1f} s with its start, which the ratio leaves out",
        )  # fmt: skip


def _population(channels: int) -> Population:
    """A quadratic neuron in loihi2 codes."""
    rng = np.random.default_rng(channels)
    theta = rng.integers(500, 700, channels)
    constants = FixedConstants(
        c2m=np.rint(0.25 / theta * 2.0**20).astype(np.int64), c1m=rng.integers(205, 240, channels), s2=np.full(channels, 12), s1=8,
        bias=rng.integers(-20, 80, channels), theta=theta, reset=np.zeros(channels, np.int64), r0=np.zeros(channels, np.int64),
        reset_by=theta, u_min=None, reset_mode=ResetMode.HARD, number_format=load_target("loihi2").number_format,
    )  # fmt: skip
    return Population(constants=constants, delta=np.ones(channels))


def _graph(nodes: dict[str, Any]) -> QuantizedGraph:
    fmt = load_target("loihi2").number_format
    return QuantizedGraph(nodes=nodes, edges=tuple(pairwise(nodes)), number_format=fmt, steps=4)


def _dense() -> QuantizedGraph:
    rng = np.random.default_rng(0)
    return _graph(
        {
            "x": CodeInput(shape=(64,), low=0, high=1, scale=1.0),
            "w1": DenseCodes(weight=rng.integers(-40, 50, (128, 64)), shift=0),
            "q1": _population(128),
            "w2": DenseCodes(weight=rng.integers(-40, 50, (10, 128)), shift=0),
            "out": ReadoutCodes(bias=np.zeros(10, np.int64), delta=1.0),
        }
    )


def conv_graph() -> QuantizedGraph:
    """Return two convolutions and a linear layer on 16x16 events."""
    rng = np.random.default_rng(0)
    return _graph(
        {
            "x": CodeInput(shape=(2, 16, 16), low=0, high=1, scale=1.0),
            "w1": Conv2dCodes(weight=rng.integers(-60, 90, (8, 2, 3, 3)), shift=0, geometry=ConvGeometry(padding=(1, 1))),
            "q1": _population(8),
            "w2": Conv2dCodes(weight=rng.integers(-40, 50, (16, 8, 3, 3)), shift=0, geometry=ConvGeometry(stride=(2, 2), padding=(1, 1))),
            "q2": _population(16),
            "flat": Flatten(),
            "w3": DenseCodes(weight=rng.integers(-40, 50, (10, 1024)), shift=0),
            "out": ReadoutCodes(bias=np.zeros(10, np.int64), delta=1.0),
        }
    )
