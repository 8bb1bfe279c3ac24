"""Compare every backend with the reference."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from qif_deploy.api.backends import Backend, Execution, check_backend, parse_backend
from qif_deploy.api.files import destination, write_json
from qif_deploy.api.loading import load_network
from qif_deploy.api.real_inputs import real_inputs
from qif_deploy.api.results import VerifyOutcome
from qif_deploy.api.verify_files import OWN_INPUTS, VECTORS, Shown, check_file, require_kind
from qif_deploy.errors import InputError
from qif_deploy.progress import Progress
from qif_deploy.simulate.reference import run_reference

COMPARABLE = tuple(backend for backend in Backend if backend is not Backend.REFERENCE)
"""What can be compared with the reference."""

COMPARED = (Backend.BATCHED, Backend.ONNX, Backend.NIR, Backend.LAVA)
"""What runs where none is named; the slow evaluator of ONNX runs when it is asked for."""


def verify(
    network: Path,
    *,
    data: str | None = None,
    data_root: Path | None = None,
    input: Path | None = None,  # noqa: A002  # the flag's name
    samples: int | None = 64,
    backends: str | Iterable[str] | None = None,
    files: Path | Iterable[Path] = (),
    out: Path | None = None,
    how: Execution | None = None,
    progress: Progress | None = None,
) -> VerifyOutcome:
    """Run every backend on real input and compare all arrays with the reference; write ``verify.json``.

    Args:
        network: the integer network.
        data: data set by name, or a file of codes; None for the network's own. Vectors bring their own inputs and need none.
        data_root: folder of data sets that no package carries.
        input: file of codes instead of a data set.
        samples: how many.
        backends: which, one or several; None for batched, onnx, nir and lava, or for none where ``files`` are given.
        files: exported ``.onnx`` and ``.nir`` files of the network, and ``.npz`` vectors of anybody's run of it.
        out: the result.
        how: device and limits.
        progress: called with the share done, 0..1.

    Raises:
        InputError: a file or name that does not fit. A backend that is missing or fails is reported, not raised.
    """
    how = Execution() if how is None else how
    given = tuple(require_kind(path) for path in ((files,) if isinstance(files, str | Path) else files))
    names = (backends,) if isinstance(backends, str) else backends
    default = () if given else COMPARED
    chosen = default if names is None else tuple(parse_backend(name, COMPARABLE) for name in names)
    how.require_use(chosen)
    graph = load_network(network)
    path = destination(out, default=Path(network).parent / "verify.json")
    shown = None
    if chosen or any(file.suffix != VECTORS for file in given):
        real = real_inputs(graph, data=data, input_file=input, samples=samples, data_root=data_root)
        shown = Shown(codes=real.codes, reference=run_reference(graph, real.codes), source=real.source)
    else:
        for said in (data, input, data_root):
            if said is not None:
                raise InputError(f"{str(said)!r} has no use here: vectors bring their own inputs; leave it out")
    checks = {}
    for done, backend in enumerate(chosen):
        if progress is not None:
            progress(done / len(chosen))
        assert shown is not None
        checks[backend.value] = check_backend(backend, graph, shown.codes, shown.reference, how=how)
    checked = tuple(check_file(file, graph, shown) for file in given)
    source = OWN_INPUTS if shown is None else shown.source
    outcome = VerifyOutcome(backends=checks, source=source, content_hash=graph.content_hash, files=checked)
    write_json(path, outcome.as_json())
    return outcome
