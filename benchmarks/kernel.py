"""The fused neuron kernel against eager torch, torch.compile and SpikingJelly's fused LIF, and against the memory's bandwidth.

    python benchmarks/kernel.py                   sizes of the paper's networks, on a GPU if there is one
    python benchmarks/kernel.py --small           one small size

Prints Markdown. Spikes are compared with the eager step before anything is timed. Bandwidth counts what a pass has to move:
forward reads ``x`` and writes spikes, backward reads ``x`` and the gradient of the spikes and writes that of ``x``; its share is of a
copy measured on the same device. Compilation is not timed. Without a CUDA device there are no figures of the fused kernel.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import torch

from qif_deploy.neuron.params import QIFParams
from qif_deploy.training.kernels.choice import NeuronKernel
from qif_deploy.training.neuron import QIFNeuron
from qif_deploy.training.spike import RectangularSpike

Way = Callable[[torch.Tensor], torch.Tensor]
SIZES = ((4, 128, 128, 32, 32), (4, 128, 512, 8, 8), (2, 128, 256, 16, 16), (10, 32, 64, 48, 48), (4, 32, 64, 112, 112))
SMALL = ((4, 16, 64, 16, 16),)
QIF = QIFParams.from_fixed_points(a=0.25, u_rest=0.0, u_crit=0.5)
LIF = QIFParams.lif(decay=0.5)
REPEATS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Median seconds of one pass each; ``spikes`` are those of the timed way."""

    forward_s: float
    backward_s: float
    spikes: torch.Tensor


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--small", action="store_true", help="one small size")
    small = arguments.parse_args().small
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    copy = copy_bandwidth(device, 2**22 if small else 2**26)
    print(f"{device_name(device)}; Python {platform.python_version()}, torch {torch.__version__}, {installed('triton')}, ", end="")
    print(f"{installed('spikingjelly')}; float32; measured copy {copy / 1e9:.1f} GB/s")
    if device.type != "cuda":
        print("\nNo CUDA device was at hand: the fused kernel and SpikingJelly's fused LIF were not run, and their figures are missing.")
    print("\n| time, batch, channel, ... | way | spikes equal eager | forward ms | GB/s (share) | backward ms | GB/s (share) |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for size in SMALL if small else SIZES:
        x = torch.randn(*size, generator=torch.Generator().manual_seed(0)).to(device)
        reference: dict[str, torch.Tensor] = {}
        for name, kind, way in ways(device):
            try:
                timing = timed(way, x)
            except Exception as error:  # a rival that does not run here is a row of the table, not the end of it
                print(f"| {size} | {name} | not run: {type(error).__name__}: {str(error).splitlines()[0][:80]} | | | | |")
                continue
            expected = reference.setdefault(kind, timing.spikes)
            flips = int((timing.spikes != expected).sum())
            equal = "yes" if flips == 0 else f"{flips} of {timing.spikes.numel()} differ"
            moved = x.numel() * x.element_size()
            rates = [n * moved / s for n, s in ((2, timing.forward_s), (3, timing.backward_s))]
            cells = [
                f"{1e3 * s:.3f} | {r / 1e9:.1f} ({100 * r / copy:.0f} %)"
                for s, r in zip((timing.forward_s, timing.backward_s), rates, strict=True)
            ]
            print(f"| {size} | {name} | {equal} | {cells[0]} | {cells[1]} |")


def ways(device: torch.device) -> list[tuple[str, str, Way]]:
    """Name, neuron and callable of every way; the first of a neuron is its reference."""
    found: list[tuple[str, str, Way]] = []
    for kind, params in (("QIF", QIF), ("LIF", LIF)):
        found.append((f"{kind} eager", kind, module(params, NeuronKernel.EAGER, device)))
        torch_compile: Any = torch.compile
        found.append((f"{kind} torch.compile", kind, torch_compile(module(params, NeuronKernel.EAGER, device))))
        if device.type == "cuda":
            found.append((f"{kind} fused", kind, module(params, NeuronKernel.FUSED, device)))
    if device.type == "cuda" and installed("spikingjelly") != "spikingjelly not installed":
        found += [(f"LIF SpikingJelly {backend}", "LIF", spikingjelly_lif(backend, device)) for backend in ("cupy", "triton")]
    return found


def module(params: QIFParams, kernel: NeuronKernel, device: torch.device) -> torch.nn.Module:
    """Return the project's neuron."""
    return QIFNeuron(params, spike=RectangularSpike(np.array([0.5])), kernel=kernel).to(device)


def spikingjelly_lif(backend: str, device: torch.device) -> Way:
    """SpikingJelly's LIF of the same map: ``v / 2 + x`` is tau = 2 with the input not decayed; state forgotten between calls."""
    from spikingjelly.activation_based import functional, neuron

    def run(x: torch.Tensor) -> torch.Tensor:
        functional.reset_net(lif)
        spikes: torch.Tensor = lif(x)
        return spikes

    lif = neuron.LIFNode(tau=2.0, decay_input=False, v_threshold=1.0, v_reset=0.0, detach_reset=True, step_mode="m", backend=backend)
    lif = lif.to(device)
    return run


def timed(way: Way, x: torch.Tensor) -> Timing:
    """Run, then time forward and backward apart; the first three rounds warm up and compile."""
    leaf = x.detach().requires_grad_()
    out = torch.randn_like(x)
    forward, backward = [], []
    for n in range(REPEATS + 3):
        leaf.grad = None
        spikes, seconds = clocked(lambda: way(leaf), x.device)
        _, more = clocked(lambda: spikes.backward(out), x.device)  # noqa: B023  # called before the next round
        if n >= 3:
            forward.append(seconds)
            backward.append(more)
    return Timing(forward_s=statistics.median(forward), backward_s=statistics.median(backward), spikes=spikes.detach())


def clocked(run: Callable[[], Any], device: torch.device) -> tuple[Any, float]:
    """Return the result and its seconds, with the device idle before and after."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    result = run()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return result, time.perf_counter() - start


def copy_bandwidth(device: torch.device, numbers: int) -> float:
    """Bytes per second of a float32 copy, read and write counted."""
    source = torch.zeros(numbers, device=device)
    target = torch.empty_like(source)
    seconds = [clocked(lambda: target.copy_(source), device)[1] for _ in range(REPEATS + 3)]
    return 2 * 4 * numbers / statistics.median(seconds[3:])


def device_name(device: torch.device) -> str:
    """Name of the GPU, or architecture and threads of the CPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_name()
    return f"{platform.machine()} CPU, {torch.get_num_threads()} threads"


def installed(package: str) -> str:
    """Package and version."""
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} not installed"


if __name__ == "__main__":
    main()
