"""The neuron of a recipe in one of the field's forms; every form leads to the one canonical ``QIFParams``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from qif_deploy.neuron.params import QIFParams


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedPointsForm:
    """``u' = r + a (r - u_rest)(r - u_crit) + x``; ``theta`` is the threshold."""

    a: float
    u_rest: float
    u_crit: float
    theta: float

    def params(self) -> QIFParams:
        """Return the canonical parameters."""
        return QIFParams.from_fixed_points(a=self.a, u_rest=self.u_rest, u_crit=self.u_crit, theta=self.theta)


@dataclass(frozen=True, slots=True, kw_only=True)
class RootsForm:
    """``u' = a (r - u1)(r - u2) + x``."""

    a: float
    u1: float
    u2: float
    theta: float

    def params(self) -> QIFParams:
        """Return the canonical parameters."""
        return QIFParams.from_roots(a=self.a, u1=self.u1, u2=self.u2, theta=self.theta)


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalForm:
    """``u' = r + a (r^2 + eta) + x``; ``eta`` above 0 makes a neuron without rest."""

    a: float
    eta: float
    theta: float
    u_reset: float

    def params(self) -> QIFParams:
        """Return the canonical parameters."""
        return QIFParams.from_normal_form(a=self.a, eta=self.eta, theta=self.theta, u_reset=self.u_reset)


@dataclass(frozen=True, slots=True, kw_only=True)
class LIFForm:
    """``u' = decay r + x``: the twin without the quadratic term."""

    decay: float
    theta: float

    def params(self) -> QIFParams:
        """Return the canonical parameters."""
        return QIFParams.lif(decay=self.decay, theta=self.theta)


NeuronForm = FixedPointsForm | RootsForm | NormalForm | LIFForm

FORMS: Mapping[str, type[FixedPointsForm] | type[RootsForm] | type[NormalForm] | type[LIFForm]] = MappingProxyType(
    {"fixed_points": FixedPointsForm, "roots": RootsForm, "normal": NormalForm, "lif": LIFForm}
)
"""The word in a recipe -> form."""


def form_name(form: NeuronForm) -> str:
    """Return the word that stands for ``form`` in a recipe."""
    return next(name for name, kind in FORMS.items() if isinstance(form, kind))
