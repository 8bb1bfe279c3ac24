"""Ways to form the sums of a spiking convolution, at several spike rates and frames per call: what the engine chose, and what lost.

    python benchmarks/sums.py

Prints Markdown. One thread, CPU seconds of the process, so that a busy machine disturbs little. All sums are compared before timing.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

import numba
import numpy as np
import torch
import torch.nn.functional as F
from timing import CHOSEN, Clock, best_seconds, machine

from qif_deploy.ir.nodes import ConvGeometry
from qif_deploy.simulate.engine.int8_conv import byte_convolution

SHAPES = ((128, 128, 32), (256, 256, 16), (512, 512, 8))
"""Input channels, output channels, height and width; 3x3, padding 1."""

Way = Callable[[], object]


@numba.njit(nogil=True, error_model="numpy")
def event_driven(x: np.ndarray, weight: np.ndarray, out: np.ndarray) -> None:
    """Add one row of weights per spike and kernel position: ``x (n, h, w, c)`` bytes, ``weight (c, 3, 3, o)``, ``out (n, h, w, o)``."""
    frames, height, width, channels = x.shape
    out[:] = 0
    for n in range(frames):
        for y in range(height):
            for z in range(width):
                for c in range(channels):
                    if x[n, y, z, c]:
                        for dy in range(max(0, 1 - y), min(3, height + 1 - y)):
                            for dz in range(max(0, 1 - z), min(3, width + 1 - z)):
                                row, target = weight[c, 2 - dy, 2 - dz], out[n, y + dy - 1, z + dz - 1]
                                for o in range(len(row)):
                                    target[o] += row[o]


def ways_for(channels: int, out: int, size: int, frames: int, rate: float) -> dict[str, Way]:
    """Return every way on the same spikes, compared."""
    generator = torch.Generator().manual_seed(0)
    x = (torch.rand(frames, channels, size, size, generator=generator) < rate).to(torch.uint8).contiguous(memory_format=torch.channels_last)
    weight = torch.randint(-127, 128, (out, channels, 3, 3), generator=generator)
    ways: dict[str, Way] = {"int8": partial(byte_convolution(weight.to(torch.int8), ConvGeometry(padding=(1, 1))), x)}
    for name, dtype in (("float32", torch.float32), ("bf16", torch.bfloat16)):
        wide, narrow = (t.to(dtype).contiguous(memory_format=torch.channels_last) for t in (x, weight))
        ways[name] = partial(F.conv2d, wide, narrow, padding=1)
    rows = np.ascontiguousarray(weight.permute(1, 2, 3, 0).numpy().astype(np.int32))
    target = np.empty((frames, size, size, out), np.int32)
    ways["event-driven"] = partial(event_driven, x.permute(0, 2, 3, 1).numpy(), rows, target)
    exact = ways["int8"]()
    ways["event-driven"]()
    assert torch.equal(exact, ways["float32"]())  # type: ignore[arg-type]
    assert np.array_equal(exact.permute(0, 2, 3, 1).numpy(), target)  # type: ignore[attr-defined]
    return ways


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    CHOSEN.clock = Clock.CPU
    print(machine() + "\n\nDense 10^9 products per second; bf16 rounds its result and is not exact.\n")
    print("| channels, size | frames | spikes | int8 | bf16 | float32 | event-driven |\n| --- | --- | --- | --- | --- | --- | --- |")
    with torch.inference_mode():
        for channels, out, size in SHAPES:
            for frames, rate in ((4, 0.15), (4, 0.05), (4, 0.01), (64, 0.15)):
                found = best_seconds(ways_for(channels, out, size, frames, rate), rounds=rounds)
                products = frames * size * size * channels * out * 9
                cells = " | ".join(f"{products / found[way] / 1e9:.0f}" for way in ("int8", "bf16", "float32", "event-driven"))
                print(f"| {channels}, {size}x{size} | {frames} | {100 * rate:g} % | {cells} |", flush=True)


if __name__ == "__main__":
    main()
