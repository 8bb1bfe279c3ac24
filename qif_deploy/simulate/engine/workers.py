"""Threads of a run: tiles side by side on one thread each, or one tile at a time on all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from typing import TypeVar

import torch

from qif_deploy.errors import InputError

T = TypeVar("T")
Tile = TypeVar("Tile")


def usable_device(name: str) -> torch.device:
    """Return the torch device called ``name``.

    Raises:
        InputError: it does not exist, or has no memory of its own.
    """
    try:
        device = torch.device(name)
        torch.empty(0, device=device).cpu()  # a device without memory of its own fails here
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise InputError(f"device {name!r} is not usable here ({str(error).splitlines()[0]}); use 'cpu'") from None
    return device


@contextmanager
def exact_floats() -> Iterator[None]:
    """Plain float32 products, whatever the caller has allowed: TF32 and bf16 drop bits of codes above 2**11 and 2**8."""
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
            yield
    finally:
        torch.set_float32_matmul_precision(precision)


class Workers:
    """A pool of ``threads`` threads for one run; torch's own pool is off while tiles run side by side, so that the two do not fight.

    Args:
        threads: 1 or more.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.pool = ThreadPoolExecutor(threads, thread_name_prefix="qif_engine")

    def map(self, run: Callable[[Tile], T], tiles: Sequence[Tile]) -> Iterator[T]:
        """Yield ``run(tile)`` in the order of ``tiles``; what is still waiting is cancelled when the caller stops or a tile fails."""
        if len(tiles) == 1 or self.threads == 1:
            with torch.inference_mode():
                for tile in tiles:
                    yield run(tile)
            return
        with _torch_threads(1):
            waiting = [self.pool.submit(_alone, run, tile) for tile in tiles]
            try:
                for future in waiting:
                    yield future.result()
            finally:
                for future in waiting:
                    future.cancel()

    def close(self) -> None:
        """End the threads."""
        self.pool.shutdown(cancel_futures=True)


def _alone(run: Callable[[Tile], T], tile: Tile) -> T:
    torch.set_num_threads(1)  # OpenMP keeps this per thread
    with torch.inference_mode():  # so does torch
        return run(tile)


@contextmanager
def _torch_threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def cut(samples: int, largest: int, workers: int) -> list[slice]:
    """Cut ``samples`` into tiles of at most ``largest``, all about equal, in a number that keeps every worker busy to the end."""
    tiles = max(1, -(-samples // largest))
    if workers > 1 and samples > 1:
        tiles = min(samples, -(-tiles // workers) * workers)
    edges = [samples * n // tiles for n in range(tiles + 1)]
    return [slice(a, b) for a, b in pairwise(edges)]
