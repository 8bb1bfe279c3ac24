"""The machine's own limits, measured in the same run, and how near the engine comes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from engine_speed import answers, macs_per_sample, prepared
from networks import Model, pair
from rows import Row
from timing import CHOSEN, best_seconds

from qif_deploy.ir.nodes import ConvGeometry
from qif_deploy.simulate.engine.int8_conv import byte_convolution, byte_units
from qif_deploy.simulate.engine.plan import ByteUnits

SHAPES = ((128, 128, 16), (256, 256, 8), (512, 512, 8))
"""Input channels, output channels, height and width of 3x3 convolutions; all within the second-level cache or near it."""


def byte_rate(rounds: int) -> float:
    """Products per second of the byte convolution, best of several shapes, one call per thread at a time."""
    if byte_units() is ByteUnits.NONE:
        return 0.0
    threads = torch.get_num_threads()
    best = 0.0
    for channels, out, size in SHAPES:
        x = torch.randint(0, 2, (4, channels, size, size), dtype=torch.uint8).contiguous(memory_format=torch.channels_last)
        run = byte_convolution(torch.randint(-127, 128, (out, channels, 3, 3), dtype=torch.int8), ConvGeometry(padding=(1, 1)))
        products = x.shape[0] * size * size * channels * out * 9
        repeats = max(1, 4 * 10**9 // products)
        for _ in range(rounds):
            seconds = side_by_side(partial(repeat, partial(run, x), repeats), threads)
            best = max(best, threads * repeats * products / seconds)
    return best


def repeat(work: Callable[[], object], times: int) -> None:
    for _ in range(times):
        work()


def side_by_side(work: Callable[[], object], threads: int) -> float:
    """Seconds for ``work`` on every thread at once, torch's own threads off."""

    def alone() -> None:
        torch.set_num_threads(1)
        with torch.inference_mode():
            work()

    started = [threading.Thread(target=alone) for _ in range(threads)]
    start = CHOSEN.clock.now()
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    seconds = CHOSEN.clock.now() - start
    torch.set_num_threads(threads)
    return seconds


def copy_rate(rounds: int) -> float:
    """Bytes per second of a copy that no cache holds, read and write counted."""
    source = np.zeros(2**26, np.uint8)
    target = np.empty_like(source)
    best = 0.0
    for _ in range(rounds):
        start = CHOSEN.clock.now()
        np.copyto(target, source)
        best = max(best, 2 * source.nbytes / (CHOSEN.clock.now() - start))
    return best


def distance(models: tuple[Model, ...], batch: int, rounds: int) -> Iterator[Row]:
    """Share of the byte rate that a whole network reaches, pools, neurons and counters included."""
    limit, copy = byte_rate(rounds), copy_rate(rounds)
    yield Row(what="machine: byte products", ratio=limit / 1e9, detail="10^9 products/s, 3x3 convolutions in cache, one call per thread")
    yield Row(what="machine: copy", ratio=copy / 1e9, detail="GB/s, read and write counted, one thread")
    for model in models:
        p = pair(model)
        runner = prepared(p)
        codes = p.codes(batch)
        seconds = best_seconds({"engine": partial(answers, runner, codes)}, rounds=rounds)["engine"]
        runner.workers.close()
        rate = macs_per_sample(p.graph) * batch / seconds
        detail = f"{rate / 1e9:.0f} of {limit / 1e9:.0f} 10^9 dense products/s, batch {batch}"
        yield Row(what=f"share of the machine's byte rate, {model.title}", ratio=rate / limit if limit else None, detail=detail)
