"""A training recipe: everything that decides a trained network, as frozen data; read from TOML with strict keys."""

from __future__ import annotations

import enum
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib import resources
from pathlib import Path
from typing import Any

from qif_deploy.datasets.dataset import LOADERS
from qif_deploy.errors import InputError, raise_findings
from qif_deploy.training.neuron_form import FORMS, NeuronForm, form_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

BUILTIN = ("digits", "digits_roots", "digits_lif")
"""Names of the recipes inside the package."""


class Loss(enum.Enum):
    """Which readout the cross-entropy sees.

    MEAN is the mean current over time. EACH_STEP is the mean of the losses of all steps, temporal efficient training:
    S. Deng et al., "Temporal Efficient Training of Spiking Neural Network via Gradient Re-weighting", ICLR 2022.
    """

    MEAN = "mean"
    EACH_STEP = "each_step"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One network and its training; every field is in the TOML file, the neuron as the table ``[neuron]``.

    Args:
        name: for reports.
        dataset: name for ``load_dataset``.
        seed: weights, order of the samples and shifts.
        steps: T.
        channels: of the convolutions, each followed by norm, population and pool.
        hidden: neurons of a population between flatten and the readout's linear layer; 0 for none.
        neuron: form and constants.
        detach_reset: cut the gradient through the reset.
        alpha: standard deviation of the normalised input in units of theta.
        window: half width of the surrogate window in standard deviations of ``u``.
        loss: which readout the cross-entropy sees.
        label_smoothing: 0..1.
        epochs: passes over the training part.
        batch_size: samples per step of the optimiser.
        learning_rate: peak of the one-cycle schedule of AdamW.
        weight_decay: of AdamW, on the weights of convolutions and linear layers only.
        shift_pixels: training images move by up to that many pixels in both axes, drawn anew every epoch.

    Raises:
        InputError: values outside their limits, all at once.
    """

    name: str
    dataset: str
    seed: int
    steps: int
    channels: tuple[int, ...]
    hidden: int
    neuron: NeuronForm
    detach_reset: bool
    alpha: float
    window: float
    loss: Loss
    label_smoothing: float
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    shift_pixels: int

    def __post_init__(self) -> None:
        limits = [
            ("dataset", self.dataset in LOADERS, f"one of {sorted(LOADERS)}"),
            ("seed", 0 <= self.seed < 2**63, "0..2**63 - 1"),
            ("steps", 1 <= self.steps <= 1024, "1..1024"),
            ("channels", 1 <= len(self.channels) <= 8 and all(1 <= c <= 4096 for c in self.channels), "1 to 8 numbers of 1..4096"),
            ("hidden", 0 <= self.hidden <= 65536, "0 (none)..65536"),
            ("alpha", 0 < self.alpha <= 10, "above 0, at most 10"),
            ("window", 0 < self.window <= 10, "above 0, at most 10"),
            ("label_smoothing", 0 <= self.label_smoothing < 1, "0 or more, below 1"),
            ("epochs", 1 <= self.epochs <= 10_000, "1..10000"),
            ("batch_size", 2 <= self.batch_size <= 65536, "2..65536"),
            ("learning_rate", 0 < self.learning_rate <= 10, "above 0, at most 10"),
            ("weight_decay", 0 <= self.weight_decay <= 10, "0..10"),
            ("shift_pixels", 0 <= self.shift_pixels <= 16, "0..16"),
        ]
        raise_findings(
            InputError,
            [f"recipe {self.name!r}: {key} = {getattr(self, key)!r}, allowed is {allowed}" for key, holds, allowed in limits if not holds],
        )
        self.neuron.params()  # its own limits speak up now, not after the data is loaded

    def as_json(self) -> dict[str, Any]:
        """Return the keys of the TOML file."""
        found: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        found["channels"], found["loss"] = list(self.channels), self.loss.value
        found["neuron"] = {"form": form_name(self.neuron)} | {f.name: getattr(self.neuron, f.name) for f in fields(self.neuron)}
        return found


def load_recipe(name_or_file: str | Path) -> Recipe:
    """Return a builtin recipe by name, or the one in a ``.toml`` file.

    Raises:
        InputError: no such recipe or file, no TOML, a key missing, unknown or of the wrong type, a value outside its limits.
    """
    if str(name_or_file) in BUILTIN:
        text = (resources.files("qif_deploy.training") / "recipes" / f"{name_or_file}.toml").read_text(encoding="utf-8")
        return parse_recipe(tomllib.loads(text), where=str(name_or_file))
    path = Path(name_or_file)
    if path.suffix != ".toml":
        raise InputError(f"recipe {str(name_or_file)!r} is unknown; use one of {sorted(BUILTIN)} or the path of a .toml file")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"recipe {str(path)!r} cannot be read: {error.strerror}; check the path, or use one of {sorted(BUILTIN)}"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"recipe {str(path)!r} is no TOML: {str(error).splitlines()[0]}; correct that place") from None
    return parse_recipe(table, where=str(path))


def parse_recipe(table: Mapping[str, Any], *, where: str) -> Recipe:
    """Build a recipe from the keys of a TOML file or of ``Recipe.as_json``; every key must be there, none else.

    Raises:
        InputError: a key missing, unknown or of the wrong type, or a value outside its limits.
    """
    forms = sorted(FORMS)
    neuron = table.get("neuron")
    if not isinstance(neuron, Mapping):
        raise InputError(f"recipe {where!r}: neuron = {neuron!r}, allowed is a table [neuron] with form, one of {forms}")
    word = neuron.get("form")
    if not isinstance(word, str) or word not in FORMS:
        raise InputError(f"recipe {where!r}: [neuron] form = {word!r}, allowed is one of {forms}")
    form = FORMS[word]
    constants = _checked({k: v for k, v in neuron.items() if k != "form"}, form, f"recipe {where!r}, [neuron] of form {word!r}")
    values = _checked({k: v for k, v in table.items() if k != "neuron"}, Recipe, f"recipe {where!r}", skip="neuron")
    return Recipe(neuron=form(**constants), **values)


def _checked(table: Mapping[str, Any], kind: type, where: str, *, skip: str = "") -> dict[str, Any]:
    """Return the values of ``table`` converted to the field types of ``kind``."""
    types = {field.name: str(field.type) for field in fields(kind) if field.name != skip}
    findings = [f"{where}: key {key!r} is unknown, allowed is {sorted(types)}" for key in table if key not in types]
    findings += [f"{where}: key {key!r} is missing; give {_WORDS[types[key]]}" for key in types if key not in table]
    values = {}
    for key in types.keys() & table.keys():
        try:
            values[key] = _CONVERT[types[key]](table[key])
        except (TypeError, ValueError):
            findings.append(f"{where}: {key} = {table[key]!r}, allowed is {_WORDS[types[key]]}")
    raise_findings(InputError, sorted(findings))
    return values


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise TypeError
    return value


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError
    return value


def _number(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < 1e30:
        raise TypeError
    return float(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _numbers(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list | tuple):
        raise TypeError
    return tuple(_whole(item) for item in value)


# Field type, as its annotation is written -> conversion and its words; a field of another type fails loudly as a KeyError.
_CONVERT: Mapping[str, Any] = {"str": _text, "int": _whole, "float": _number, "bool": _flag, "tuple[int, ...]": _numbers, "Loss": Loss}
_WORDS = {
    "str": "printable text",
    "int": "a whole number",
    "float": "a finite number",
    "bool": "true or false",
    "tuple[int, ...]": "a list of whole numbers",
    "Loss": f"one of {sorted(loss.value for loss in Loss)}",
}
