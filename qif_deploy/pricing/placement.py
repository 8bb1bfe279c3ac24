"""A placement file as ``qif-deploy map`` writes it: which neurons sit on which core, and where that core is.

Only ``cores`` is needed, for static power. A ``content_hash`` must be the network's. ``chips`` and ``placement[]`` with
``{core, chip, router, pieces[]}`` are read where they are there, each piece ``{layer, x, y, c}`` with half-open ranges of columns, rows and
channels; other keys are not looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qif_deploy.errors import InputError
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.reading.json_text import parse_json
from qif_deploy.reading.limits import MAX_JSON_FILE
from qif_deploy.reading.plain_file import read_text
from qif_deploy.suggestion import missing_file

Cores = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Router:
    """Place of a core: chip, and column and row on its mesh."""

    chip: int
    x: int
    y: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Placement:
    """Cores of every population and readout; ``where`` is None where the file names no pieces.

    ``where``: name -> core per neuron, in the shape of the node. ``routers``: core -> place.
    """

    source: str
    cores: int
    chips: int | None
    where: Mapping[str, Cores] | None
    routers: Mapping[int, Router]


def read_placement(path: Path, graph: QuantizedGraph) -> Placement:
    """Read ``placement.json`` for ``graph``.

    Raises:
        InputError: no such file, not of this form, of a network that did not fit, or of another network.
    """
    where = f"placement {str(path)!r}"
    try:
        table = parse_json(read_text(path, most=MAX_JSON_FILE))
    except FileNotFoundError:
        raise missing_file(Path(path), remedy="write it with `qif-deploy map`") from None
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
        raise InputError(f"{where} is not readable JSON ({reason[:200]}); write it with `qif-deploy map`") from None
    if not isinstance(table, dict):
        raise InputError(f"{where} holds no object; write it with `qif-deploy map`")
    if table.get("fits") is False:
        raise InputError(f"{where}: the network does not fit its target, so nothing is placed; map it to a larger system")
    if table.get("content_hash", graph.content_hash) != graph.content_hash:
        raise InputError(f"{where}: it is of another network, {str(table['content_hash'])[:20]!r}...; map this one")
    cores, chips = _whole(table.get("cores"), "cores", where), table.get("chips")
    placed = table.get("placement")
    cells = None if placed is None else _cells(placed, graph, where)
    return Placement(
        source=str(path),
        cores=cores,
        chips=None if chips is None else _whole(chips, "chips", where),
        where=cells,
        routers={} if placed is None else _routers(placed, where),
    )


def _whole(value: Any, name: str, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InputError(f"{where}: {name} {value!r:.80} is not a number of at least 1; write it with `qif-deploy map`")
    return value


def _cells(placed: Any, graph: QuantizedGraph, where: str) -> dict[str, Cores]:
    """Core of every neuron; a neuron without one, or with two, is an error."""
    wanted = {name: graph.shapes[name] for name in (*graph.populations, graph.readout)}
    found = {name: np.full(shape if len(shape) == 3 else (shape[0], 1, 1), -1, np.int64) for name, shape in wanted.items()}
    try:
        for entry in placed:
            for piece in entry["pieces"]:
                if piece["layer"] not in found:
                    continue  # an input, pool or relay with a core of its own
                (c0, c1), (y0, y1), (x0, x1) = (tuple(map(int, piece[axis])) for axis in ("c", "y", "x"))
                part = found[piece["layer"]][c0:c1, y0:y1, x0:x1]
                if part.shape != (c1 - c0, y1 - y0, x1 - x0) or min(c0, y0, x0) < 0:
                    raise InputError(
                        f"{where}: a piece of {piece['layer']!r:.80} reaches beyond its shape {wanted[piece['layer']]}; map this network"
                    )
                if (part >= 0).any():
                    raise InputError(f"{where}: a neuron of {piece['layer']!r} sits on two cores; write it with `qif-deploy map`")
                part[...] = int(entry["core"])
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise InputError(f"{where}: placement[] is not of the form of `qif-deploy map` ({error!r:.200})") from None
    missing = [name for name, cores in found.items() if (cores < 0).any()]
    if missing:
        raise InputError(f"{where}: neurons of {missing} have no core; it is of another network, map this one")
    return {name: cores.reshape(wanted[name]) for name, cores in found.items()}


def _routers(placed: Any, where: str) -> dict[int, Router]:
    try:
        return {
            int(entry["core"]): Router(chip=int(entry.get("chip", 0)), x=int(entry["router"][0]), y=int(entry["router"][1]))
            for entry in placed
            if "router" in entry
        }
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise InputError(
            f"{where}: a router of placement[] is not a pair of numbers ({error!r:.200}); write it with `qif-deploy map`"
        ) from None
