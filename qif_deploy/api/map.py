"""Map an integer network onto the cores of a target."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qif_deploy.api.backends import tally_run
from qif_deploy.api.files import destination, make_folder, write_json
from qif_deploy.api.loading import load_network
from qif_deploy.api.real_inputs import real_inputs
from qif_deploy.errors import InputError, MissingDependencyError
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.simulate.op_counts import Tallies
from qif_deploy.suggestion import unknown_word

if TYPE_CHECKING:
    from qif_hardware.mapping.mapping import NetworkMapping

MAPPED_SAMPLES = 64
"""Samples whose spikes are counted where nothing else is said."""

DEFAULT_TARGET = "loihi2-lava"


def map(  # noqa: A001  # the verb's name
    network: Path,
    *,
    target: str | Path = DEFAULT_TARGET,
    chips: int | None = None,
    cores_per_chip: int | None = None,
    objective: str = "time",
    input: Path | None = None,  # noqa: A002  # the flag's name
    data: str | None = None,
    data_root: Path | None = None,
    samples: int | None = None,
    out: Path | None = None,
    plots: Path | None = None,
) -> NetworkMapping:
    """Place a network on cores, estimate its time, and list what speaks against it; write ``placement.json``.

    Args:
        network: the integer network.
        target: profile with cores by name, or the path of one.
        chips: how many chips there are; None for the smallest of the profile's systems that is large enough.
        cores_per_chip: instead of the profile's.
        objective: ``time`` for the fastest step that the cores allow, ``cores`` for the fewest cores.
        input: codes to count spikes on, instead of a data set.
        data: data set to count spikes on; None for the network's own. Where none can be had, a rate is assumed, and the result says so.
        data_root: folder of data sets that no package carries.
        samples: how many of its samples, 64 by default.
        out: the file.
        plots: folder for the pictures; None for none.

    Raises:
        InputError: no such file, target or objective, a target without cores, or data that do not fit the network.
    """
    from qif_hardware.mapping.choose import Objective
    from qif_hardware.mapping.mapping import map_network
    from qif_hardware.target import load_target

    graph = load_network(network)
    chip = load_target(target).cores().sized(chips=chips, cores_per_chip=cores_per_chip)
    known = [kind.value for kind in Objective]
    if objective not in known:
        raise unknown_word("objective", objective, known)
    path = destination(out, default=Path(network).parent / "placement.json")
    folder = None if plots is None else make_folder(plots, option="--plots")
    tallies, source = _counted(graph, input=input, data=data, data_root=data_root, samples=samples)
    mapping = map_network(graph, chip, tallies=tallies, source=source, objective=Objective(objective), grow=chips is None)
    write_json(path, mapping.as_json())
    if folder is not None:
        from qif_hardware.mapping.pictures import save_pictures

        save_pictures(mapping, folder)
    return mapping


def _counted(
    graph: QuantizedGraph,
    *,
    input: Path | None,  # noqa: A002  # the flag's name
    data: str | None,
    data_root: Path | None,
    samples: int | None,
) -> tuple[Tallies | None, str]:
    """Count spikes on what was asked for, else on the network's own data, else not at all."""
    from qif_hardware.mapping.activity import ASSUMED_RATE

    shown = MAPPED_SAMPLES if samples is None else samples
    try:
        real = real_inputs(graph, data=data, input_file=input, samples=shown, data_root=data_root)
    except (InputError, MissingDependencyError) as error:
        if input is not None or data is not None or data_root is not None or samples is not None:
            raise
        return None, f"assumed: {ASSUMED_RATE} spikes per neuron and step, since no data are at hand ({error})"
    tallies = tally_run(graph, real.codes)
    return tallies, f"counted on {tallies.samples} samples of {real.source}"
