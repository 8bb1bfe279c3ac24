"""Runs an engine over batches: cuts them into tiles and puts those on the threads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import TracebackType

import torch

from qif_deploy.progress import Progress
from qif_deploy.shapes import InputCodes
from qif_deploy.simulate.engine.engine import Engine, Recording, TileOutcome
from qif_deploy.simulate.engine.workers import Workers, cut, exact_floats


class Runner:
    """A context in which an engine runs on ``threads`` threads, by default as many as torch uses.

    Args:
        engine: what to run.
        threads: on a CPU; elsewhere one thread feeds the device.
    """

    def __init__(self, engine: Engine, *, threads: int | None = None) -> None:
        self.engine = engine
        on_cpu = engine.device.type == "cpu"
        self.threads = (torch.get_num_threads() if threads is None else threads) if on_cpu else 1
        self.workers = Workers(self.threads)

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.workers.close()

    def run(
        self,
        inputs: Mapping[str, InputCodes],
        *,
        chunk: int | None = None,
        record: Mapping[str, Recording] | None = None,
        activity: bool = False,
        progress: Progress | None = None,
    ) -> Iterator[TileOutcome]:
        """Yield the outcome of every tile of the batch ``(time, sample, ...)``, in order.

        Args:
            inputs: codes.
            chunk: samples, at most, that are worked on at once.
            record: arrays for the whole batch, filled where given.
            activity: also sum the spikes of every neuron.
            progress: called with the share done.
        """
        steps, samples = next(iter(inputs.values())).shape[:2]
        largest = self.engine.tile_samples(steps)
        if chunk is not None:
            largest = max(1, min(largest, chunk // self.threads))
        tiles = cut(samples, largest, self.threads)

        def run(tile: slice) -> TileOutcome:
            taken = {name: codes[:, tile] for name, codes in inputs.items()}
            recorded = None if record is None else {name: _part(r, tile) for name, r in record.items()}
            return self.engine.run_tile(taken, recorded, activity=activity)

        self.engine.share_populations(self.workers.pool if len(tiles) == 1 and self.threads > 1 else None, self.threads)
        with exact_floats():
            for done, outcome in enumerate(self.workers.map(run, tiles), start=1):
                if progress is not None:
                    progress(done / len(tiles))
                yield outcome


def _part(recording: Recording, tile: slice) -> Recording:
    return Recording(i=recording.i[tile], u=recording.u[tile], s=recording.s[tile])
