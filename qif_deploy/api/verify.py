"""Compare every backend with the reference."""

from __future__ import annotations

from pathlib import Path

from qif_deploy.api.backends import Backend, Execution, check_backend, parse_backend
from qif_deploy.api.files import destination, write_json
from qif_deploy.api.loading import load_network
from qif_deploy.api.real_inputs import real_inputs
from qif_deploy.api.results import VerifyOutcome
from qif_deploy.api.verify_files import check_file, require_kind
from qif_deploy.progress import Progress
from qif_deploy.simulate.reference import run_reference

COMPARED = (Backend.BATCHED, Backend.ONNX, Backend.NIR, Backend.LAVA)
"""What runs where none is named; the slow evaluator of ONNX runs when it is asked for."""


def verify(
    network: Path,
    *,
    data: str | None = None,
    data_root: Path | None = None,
    input: Path | None = None,  # noqa: A002  # the flag's name
    samples: int | None = 64,
    backends: tuple[str, ...] | None = None,
    files: tuple[Path, ...] = (),
    out: Path | None = None,
    how: Execution | None = None,
    progress: Progress | None = None,
) -> VerifyOutcome:
    """Run every backend on real input and compare all arrays with the reference; write ``verify.json``.

    Args:
        network: the integer network.
        data: data set by name, or a file of codes; None for the network's own.
        data_root: folder of data sets that no package carries.
        input: file of codes instead of a data set.
        samples: how many.
        backends: which; None for batched, onnx, nir and lava, or for none where ``files`` are given.
        files: exported ``.onnx`` and ``.nir`` files of the network, and ``.npz`` vectors of anybody's run of it.
        out: the result.
        how: device and limits.
        progress: called with the share done, 0..1.

    Raises:
        InputError: a file or name that does not fit. A backend that is missing or fails is reported, not raised.
    """
    how = Execution() if how is None else how
    given = tuple(require_kind(path) for path in files)
    default = () if given else COMPARED
    chosen = default if backends is None else tuple(parse_backend(name) for name in backends)
    how.require_use(chosen)
    graph = load_network(network)
    path = destination(out, default=Path(network).parent / "verify.json")
    real = real_inputs(graph, data=data, input_file=input, samples=samples, data_root=data_root)
    reference = run_reference(graph, real.codes)
    checks = {}
    for done, backend in enumerate(chosen):
        if progress is not None:
            progress(done / len(chosen))
        checks[backend.value] = check_backend(backend, graph, real.codes, reference, how=how)
    checked = tuple(check_file(file, graph, real.codes, reference) for file in given)
    outcome = VerifyOutcome(backends=checks, source=real.source, content_hash=graph.content_hash, files=checked)
    write_json(path, outcome.as_json())
    return outcome
