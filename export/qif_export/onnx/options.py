"""What an ONNX file is to be: profile, form, what it records, and how it is stored."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TypeVar

from qif_deploy.errors import InputError
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.suggestion import unknown_word

E = TypeVar("E", bound=enum.Enum)

ALL_POPULATIONS = "all"
NO_POPULATION = "none"


class Profile(enum.Enum):
    """Which operators carry the network.

    EXACT: integer operators; every array equal to the reference. FLOAT: whole numbers in floats, equal where the range proof shows
    that floats hold them. QDQ: 8-bit weights behind DequantizeLinear and a float neuron without rounding, an approximation.
    """

    EXACT = "exact"
    FLOAT = "float"
    QDQ = "qdq"


class Form(enum.Enum):
    """SEQUENCE: a Scan over time, T and B are free. STEP: one time step, states in, states out, B is free."""

    SEQUENCE = "sequence"
    STEP = "step"


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxOptions:
    """Choices for one file.

    Args:
        profile: which operators.
        form: with or without the loop over time.
        record: populations whose ``i``, ``u`` and ``s`` are outputs; None for all, which is what a comparison needs.
        inline: write the neuron's operators in place instead of as a local function, for runtimes without functions (OpenVINO).
        external_above: size in bytes above which weights lie in ``NAME.data`` beside the file; the format ends at 2 GiB.

    Raises:
        InputError: a limit below 1 or above what the format holds.
    """

    profile: Profile = Profile.EXACT
    form: Form = Form.SEQUENCE
    record: tuple[str, ...] | None = None
    inline: bool = False
    external_above: int = 2_000_000_000

    def __post_init__(self) -> None:
        if not 1 <= self.external_above <= 2_000_000_000:
            raise InputError(f"external_above {self.external_above} is outside 1..2000000000; the format itself ends at 2 GiB")

    @classmethod
    def of(cls, *, profile: str, form: str, states: tuple[str, ...], inline: bool) -> OnnxOptions:
        """Build from words, as the command line has them; ``states`` is ``("all",)``, ``("none",)`` or names of populations."""
        record = None if states == (ALL_POPULATIONS,) else () if states == (NO_POPULATION,) else states
        return cls(profile=_word(Profile, profile, "profile"), form=_word(Form, form, "form"), record=record, inline=inline)

    def recorded(self, graph: QuantizedGraph) -> tuple[str, ...]:
        """Return the recorded populations of ``graph`` in its order.

        Raises:
            InputError: a name that is no population.
        """
        if self.record is None:
            return graph.populations
        unknown = sorted(set(self.record) - set(graph.populations))
        if unknown:
            raise InputError(f"states of {unknown} were asked for, the populations are {list(graph.populations)}; name those, all or none")
        return tuple(name for name in graph.populations if name in self.record)


def _word(kind: type[E], word: str, what: str) -> E:
    known = [one.value for one in kind]
    if word not in known:
        raise unknown_word(what, word, known)
    return kind(word)


__all__ = ["ALL_POPULATIONS", "NO_POPULATION", "Form", "OnnxOptions", "Profile"]
