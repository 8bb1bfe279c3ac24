"""What a network occupies and for how long: the counts behind static power, and the time of an inference as a lower bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from qif_deploy.errors import InputError
from qif_deploy.pricing.price_list import PriceList, StepPart
from qif_deploy.pricing.terms import LEVELS, Term
from qif_deploy.simulate.op_counts import LayerCounts

NO_CORES = "the number of cores is unknown; give --placement or --cores"
NO_CHIPS = "the number of chips is unknown; give --placement or --chips"
NO_STEP = "the price list has no time of a step; give --step-us"
NO_ROUTES = "messages between cores need the cores of every layer; give --placement"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """Cores and chips in use, and the time of one step in seconds where it was measured; None where unknown.

    Raises:
        InputError: a number that no deployment has.
    """

    cores: int | None = None
    chips: int | None = None
    step_s: float | None = None
    source: str = "nothing said"

    def __post_init__(self) -> None:
        for name, count in (("cores", self.cores), ("chips", self.chips)):
            if count is not None and count < 1:
                raise InputError(f"deployment: {name} {count} is below 1; give the number in use")
        if self.step_s is not None and not 0 < self.step_s < float("inf"):
            raise InputError(f"deployment: a step of {self.step_s} s is not positive and finite; give the measured time of one step")
        if self.cores is not None and self.chips is not None and self.cores < self.chips:
            raise InputError(f"deployment: {self.cores} cores are fewer than {self.chips} chips; a chip in use has a core in use")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTime:
    """Time of one step at three levels, in seconds.

    ``modelled_s`` is what the operations take where they are spread evenly over the cores, a lower bound; ``step_s`` is at least the
    shortest step that systems were seen to take, or what was measured.
    """

    steps: int
    modelled_s: Mapping[str, float] | None
    step_s: Mapping[str, float]
    basis: str

    @property
    def inference_s(self) -> dict[str, float]:
        """All steps together, without input and output."""
        return {level: self.steps * step for level, step in self.step_s.items()}

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "steps": self.steps,
            "modelled_step_s": None if self.modelled_s is None else dict(self.modelled_s),
            "step_s": dict(self.step_s),
            "inference_s": self.inference_s,
            "basis": self.basis,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemCounts:
    """What belongs to no layer, per inference at three levels (seconds of powered parts), and why some of it could not be counted."""

    counts: Mapping[Term, Mapping[str, float]]
    uncounted: Mapping[Term, str]
    time: StepTime | None


def system_counts(
    layers: Sequence[LayerCounts],
    price_list: PriceList,
    deployment: Deployment,
    *,
    steps: int,
    unrouted: Mapping[Term, str] = MappingProxyType({}),
) -> SystemCounts:
    """Return seconds of core, chip and embedded processor per inference, as far as ``deployment`` and the list tell.

    ``unrouted``: messages and hops that were not counted with the layers, and why.
    """
    time = step_time(layers, price_list, deployment, steps=steps)
    seconds, unknown = system_seconds(deployment, time)
    once = {Term.INPUT_OUTPUT: dict.fromkeys(LEVELS, 1.0)}
    return SystemCounts(counts={**once, **seconds}, uncounted={**unrouted, **unknown}, time=time)


def system_seconds(deployment: Deployment, time: StepTime | None) -> tuple[dict[Term, Mapping[str, float]], dict[Term, str]]:
    """Return seconds of core, chip and embedded processor per inference, and what is missing for the others."""
    counts: dict[Term, Mapping[str, float]] = {}
    unknown: dict[Term, str] = {}
    parts = (
        (Term.STATIC, deployment.cores, NO_CORES),
        (Term.STATIC_CHIP, deployment.chips, NO_CHIPS),
        (Term.EMBEDDED_CPU, deployment.chips, NO_CHIPS),
    )
    for term, number, reason in parts:
        if number is None or time is None:
            unknown[term] = reason if number is None else NO_STEP
        else:
            counts[term] = {level: number * seconds for level, seconds in time.inference_s.items()}
    return counts, unknown


def step_time(layers: Sequence[LayerCounts], price_list: PriceList, deployment: Deployment, *, steps: int) -> StepTime | None:
    """Return the time of a step: measured, or the larger of model and shortest step seen; None where the list knows no times."""
    synops = sum(float((layer.synops + layer.macs).mean()) for layer in layers) / steps
    modelled = modelled_step(price_list, deployment.cores, synops=synops, neurons=sum(layer.neurons for layer in layers))
    if deployment.step_s is not None:
        return StepTime(steps=steps, modelled_s=modelled, step_s=dict.fromkeys(LEVELS, deployment.step_s), basis="measured, as given")
    if StepPart.STEP not in price_list.step:
        return None
    floor = {level: price_list.step[StepPart.STEP].at(level) for level in LEVELS}
    if modelled is None:
        return StepTime(steps=steps, modelled_s=None, step_s=floor, basis="shortest step seen; without cores there is no model")
    longer = {level: max(floor[level], modelled[level]) for level in LEVELS}
    basis = "larger of the even-spread model and the shortest step seen; a lower bound"
    return StepTime(steps=steps, modelled_s=modelled, step_s=longer, basis=basis)


def modelled_step(price_list: PriceList, cores: int | None, *, synops: float, neurons: int) -> dict[str, float] | None:
    """``(SynOps t_synop + N t_update) / cores + t_barrier``: one after the other, and the fullest core has at least the mean.

    Args:
        price_list: the times.
        cores: in use; None where unknown.
        synops: synaptic operations and MACs of a step.
        neurons: N.

    Returns:
        Seconds at three levels, or None where cores or times are unknown.
    """
    parts = price_list.step
    if cores is None or not {StepPart.SYNOP, StepPart.UPDATE, StepPart.BARRIER} <= set(parts):
        return None
    synop, update, barrier = (parts[part] for part in (StepPart.SYNOP, StepPart.UPDATE, StepPart.BARRIER))
    return {level: (synops * synop.at(level) + neurons * update.at(level)) / cores + barrier.at(level) for level in LEVELS}
