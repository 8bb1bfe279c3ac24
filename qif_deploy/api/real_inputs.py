"""The real inputs of a verb: a data set by name, or a file of codes."""

from __future__ import annotations

from pathlib import Path

from qif_deploy.api.loading import RealInputs, dataset_inputs, read_inputs
from qif_deploy.datasets.catalogue import DATA_SETS
from qif_deploy.errors import InputError
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.suggestion import unknown_word


def real_inputs(
    graph: QuantizedGraph, *, data: str | None, input_file: Path | None, samples: int | None, data_root: Path | None = None
) -> RealInputs:
    """Inputs from a file of codes or a data set; ``data`` may be the name of one or the path of a ``.npy``/``.npz``."""
    input_file = chosen_file(data=data, input_file=input_file, samples=samples, data_root=data_root)
    if input_file is None:
        return dataset_inputs(graph, data, samples=samples, root=data_root)
    codes = read_inputs(graph, input_file, steps=None, encode=False)
    return RealInputs(codes={name: x[:, :samples] for name, x in codes.items()}, labels=None, source=str(input_file))


def chosen_file(*, data: str | None, input_file: Path | None, samples: int | None, data_root: Path | None) -> Path | None:
    """Return the file of codes that was asked for, or None for a data set.

    Raises:
        InputError: both a file and a data set, a folder of data sets for a file, or fewer than one sample.
    """
    if samples is not None and samples < 1:
        raise InputError(f"samples {samples} is below 1; ask for at least one")
    if input_file is not None and data is not None:
        raise InputError(f"both --input {str(input_file)!r} and --data {data!r} are given; give one of them")
    file = input_file if data is None else file_of_codes(data)
    if file is not None and data_root is not None:
        raise InputError(f"data_root {str(data_root)!r} has no use here: the codes are read from the file {str(file)!r}; leave it out")
    return file


def file_of_codes(data: str) -> Path | None:
    """Return the path where ``data`` is that of a ``.npy`` or ``.npz``, or None where it is the name of a data set.

    Raises:
        InputError: neither.
    """
    if Path(data).suffix in (".npy", ".npz"):
        return Path(data)
    if data not in DATA_SETS:
        raise unknown_word("data set", data, DATA_SETS, also=", or the path of a .npy or .npz of codes")
    return None
