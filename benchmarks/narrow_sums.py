"""Convolutions with few channels: as they are, with several output columns as channels of one wider convolution, and unfolded.

    python benchmarks/narrow_sums.py

Byte sums through oneDNN, one thread, CPU seconds; every way is compared with the plain one before it is timed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from timing import CHOSEN, Clock, best_seconds, machine

from qif_deploy.ir.nodes import ConvGeometry
from qif_deploy.simulate.engine.int8_conv import byte_convolution, byte_linear, channels_last

LAYERS = ((2, 8, 16, 1), (8, 16, 16, 2), (1, 16, 28, 1), (16, 32, 14, 1))
"""Input channels, output channels, height and width, stride; 3x3 kernels, padding 1."""

FRAMES, COLUMNS = 64, (2, 4)
Way = Callable[[torch.Tensor], torch.Tensor]


def widened(weight: torch.Tensor, columns: int, stride: int) -> Way:
    """Return the convolution that gives ``columns`` output columns at once: the kernel, moved, once per column. The memory is the same."""
    out, channels, height, width = weight.shape
    wide = torch.zeros((columns * out, channels, height, width + (columns - 1) * stride), dtype=torch.int8)
    for n in range(columns):
        wide[n * out : (n + 1) * out, :, :, n * stride : n * stride + width] = weight
    run = channels_last(byte_convolution(wide, ConvGeometry(stride=(stride, stride * columns), padding=(1, 1))))
    return lambda x: run(x).unflatten(3, (columns, out)).flatten(2, 3)  # type: ignore[no-untyped-call]


def unfolded(weight: torch.Tensor, stride: int) -> Way:
    """Return the product of all patches with the weights; the copy into patches is counted."""
    out, _channels, height, width = weight.shape
    run = byte_linear(weight.permute(0, 2, 3, 1).reshape(out, -1).contiguous())

    def way(x: torch.Tensor) -> torch.Tensor:
        padded = F.pad(x, (0, 0, 1, 1, 1, 1))
        patches = padded.unfold(1, height, stride).unfold(2, width, stride).permute(0, 1, 2, 4, 5, 3)
        frames, rows, columns = patches.shape[:3]
        return run(patches.reshape(frames * rows * columns, -1)).reshape(frames, rows, columns, out)

    return way


def main() -> None:
    torch.set_num_threads(1)
    CHOSEN.clock = Clock.CPU
    print(machine() + "\n\n| layer | way | microseconds per frame |\n| --- | --- | --- |")
    for channels, out, size, stride in LAYERS:
        generator = torch.Generator().manual_seed(0)
        weight = torch.randint(-60, 61, (out, channels, 3, 3), generator=generator).to(torch.int8)
        x = torch.randint(0, 2, (FRAMES, size, size, channels), generator=generator, dtype=torch.uint8)
        ways: dict[str, Way] = {"plain": channels_last(byte_convolution(weight, ConvGeometry(stride=(stride, stride), padding=(1, 1))))}
        fitting = (n for n in COLUMNS if (size // stride) % n == 0)
        ways |= {f"{n} columns at once": widened(weight, n, stride) for n in fitting} | {"unfolded": unfolded(weight, stride)}
        with torch.inference_mode():
            expected = ways["plain"](x)
            if not all(torch.equal(way(x), expected) for way in ways.values()):
                raise SystemExit("the ways differ; nothing is timed")
            found = best_seconds({name: partial(way, x) for name, way in ways.items()}, rounds=20)
        for name, seconds in found.items():
            print(f"| {channels} to {out}, {size}x{size}, stride {stride} | {name} | {seconds / FRAMES * 1e6:.2f} |", flush=True)


if __name__ == "__main__":
    main()
