"""Readers of what other verbs wrote: the result files of a report."""

from __future__ import annotations

import functools
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from qif_deploy.reporting.run_files import MODEL, NETWORK, RESULTS
from tests.fuzz.network_readers import save_tiny
from tests.fuzz.reader import Reader, Structure

SAMPLES = 8


@functools.cache
def _results() -> dict[str, bytes]:
    """Every result file, made by its verb of the smallest network on digits."""
    import qif_deploy
    from qif_deploy.training.checkpoint_header import read_description
    from qif_deploy.training.spec import InputSpec
    from qif_deploy.training.trainer import build_network

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        model, network = folder / MODEL, folder / NETWORK
        spec = InputSpec(shape=(1, 8, 8), low=0, high=16, scale=1 / 16, classes=10)
        save_tiny(model, lambda recipe: build_network(recipe, spec, seed=0))
        qif_deploy.quantize(model, target="loihi2")
        qif_deploy.diff(model, network, samples=SAMPLES)
        qif_deploy.verify(network, backends=("batched",), samples=SAMPLES)
        qif_deploy.map(network, samples=SAMPLES)
        qif_deploy.energy(network, samples=SAMPLES)
        (folder / "metrics.json").write_text(json.dumps(read_description(model)["metrics"]))
        return {name: (folder / name).read_bytes() for name in RESULTS}


def _read(path: Path, name: str) -> object:
    """As ``report`` reads a folder that holds this result alone, up to the page before it is drawn."""
    from qif_deploy.reporting.run_files import read_run
    from qif_deploy.reporting.whole_page import whole_page

    folder = path.parent / "run"
    folder.mkdir(exist_ok=True)
    for name_of_one in RESULTS:
        (folder / name_of_one).unlink(missing_ok=True)
    (folder / name).hardlink_to(path)
    return whole_page(read_run(folder))


def _seeds(name: str) -> Callable[[], tuple[bytes, ...]]:
    return lambda: (_results()[name],)


RESULT_READERS = tuple(
    Reader(
        name=f"report-{Path(name).stem}", suffix=".json", structure=Structure.JSON, seeds=_seeds(name),
        read=functools.partial(_read, name=name), native=False,
    )
    for name in RESULTS
)  # fmt: skip
"""One for each result file, named ``report-metrics`` and so on."""


__all__ = ["RESULT_READERS"]
