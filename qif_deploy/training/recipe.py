"""A training recipe: everything that decides a trained network, as frozen data; read from TOML with strict keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qif_deploy.datasets.catalogue import EVENT_DATA, LOADERS, STREAMS
from qif_deploy.datasets.encoders import Encoder
from qif_deploy.errors import InputError, raise_findings
from qif_deploy.neuron.params import QIFParams, ResetMode
from qif_deploy.reading.limits import MAX_TEXT_FILE
from qif_deploy.reading.plain_file import read_text
from qif_deploy.reading.toml_text import parse_toml
from qif_deploy.suggestion import missing_file, unknown_word
from qif_deploy.training.models.registry import MODELS
from qif_deploy.training.neuron_form import FORMS, NeuronForm, form_name
from qif_deploy.training.recipe_options import Loss, Optimiser, Precision, Schedule, WindowKind
from qif_deploy.training.recipe_values import checked_values, plain_values
from qif_deploy.training.spike import SurrogateShape
from qif_deploy.training.stable_map import LearnedConstant

if TYPE_CHECKING:
    from qif_deploy.training.data.augmentation import Augmentation

BUILTIN = (
    "digits",
    "digits_roots",
    "digits_lif",
    "mnist5k",
    "mnist5k_roots",
    "mnist5k_lif",
    "cifar10-resnet19",
    "cifar10-resnet19-t2",
    "cifar100-resnet19",
    "cifar100-resnet19-t2",
    "imagenet-resnet34",
    "cifar10dvs-vggsnn",
    "cifar10dvs-resnet19",
)
"""Names of the recipes inside the package."""

DATASETS = tuple(sorted((*LOADERS, *STREAMS)))
CHANNELLED = ("conv", "mlp")
"""Models whose channels a recipe gives; the published networks have their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One network and its training; every field is in the TOML file, ``neuron`` and ``augmentation`` as tables.

    Fields with a default may be left out there, so that recipes and checkpoints from before they existed keep their meaning.

    Args:
        name: for reports.
        dataset: name for ``load_dataset``.
        seed: weights, order of the samples and shifts.
        steps: T; of an event data set also the number of frames.
        channels: of the convolutions of ``conv``, each followed by norm, population and pool, or of the populations of ``mlp``.
        hidden: neurons of a population between flatten and the readout's linear layer of ``conv``; 0 for none.
        neuron: form and constants.
        reset: what a spike does to the membrane.
        u_min: lower clamp of the membrane, None for none; it narrows the ranges that a number format must hold.
        learned: constants of the neuron that every population learns for itself, within their stable range.
        detach_reset: cut the gradient through the reset.
        alpha: standard deviation of the normalised input in units of theta.
        window: half width of the surrogate, in the unit that ``window_kind`` says.
        loss: which readout the cross-entropy sees.
        label_smoothing: 0..1.
        epochs: passes over the training part.
        batch_size: samples per step of the optimiser, over all devices together.
        learning_rate: peak of the schedule.
        weight_decay: on the weights of convolutions and linear layers only.
        shift_pixels: training images move by up to that many pixels in both axes, drawn anew every epoch.
        model: name for ``model_spec``.
        width: multiplier of all channel numbers.
        dropout: in front of linear layers, 0 for none.
        normalise: threshold-dependent batch normalisation; false leaves it out, for comparison.
        data_root: folder that holds the folders of data sets that no package carries.
        encoder: how a still image becomes a code per step.
        surrogate: shape that stands for the derivative of a spike.
        window_kind: unit of ``window``.
        tet_lambda: share of the squared distance of every step's current from ``tet_target`` in the loss; for ``each_step``.
        tet_target: see there.
        optimiser: with its weight decay decoupled (AdamW) or as a gradient (SGD).
        momentum: of SGD.
        schedule: of the learning rate.
        warmup_epochs: of the cosine schedule.
        gradient_clip: largest norm of the gradient over all parameters, 0 for no limit.
        precision: dtype of the synapses.
        validation_fraction: share of every class of the training part that is held out; 0 for none.
        patience: stop after that many epochs without a better validation accuracy, and keep the best weights; 0 never stops.
        augmentation: random changes of training samples.

    Raises:
        InputError: values outside their limits, all at once.
    """

    name: str
    dataset: str
    seed: int
    steps: int
    channels: tuple[int, ...] = ()
    hidden: int = 0
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
    shift_pixels: int = 0
    reset: ResetMode = ResetMode.HARD
    u_min: float | None = None
    learned: tuple[LearnedConstant, ...] = ()
    model: str = "conv"
    width: float = 1.0
    dropout: float = 0.0
    normalise: bool = True
    data_root: str | None = None
    encoder: Encoder = Encoder.DIRECT
    surrogate: SurrogateShape = SurrogateShape.RECTANGULAR
    window_kind: WindowKind = WindowKind.DERIVED
    tet_lambda: float = 0.0
    tet_target: float = 1.0
    optimiser: Optimiser = Optimiser.ADAMW
    momentum: float = 0.9
    schedule: Schedule = Schedule.ONE_CYCLE
    warmup_epochs: int = 0
    gradient_clip: float = 0.0
    precision: Precision = Precision.FLOAT32
    validation_fraction: float = 0.0
    patience: int = 0
    augmentation: Augmentation | None = None

    def __post_init__(self) -> None:
        limits = [*_single_limits(self), *_joint_limits(self)]
        raise_findings(
            InputError,
            [
                f"recipe {self.name!r:.80}: {key} = {_shown(getattr(self, key))!r:.80}, allowed is {allowed}"
                for key, holds, allowed in limits
                if not holds
            ],
        )
        self.params()  # its own limits speak up now, not after the data is loaded

    def params(self) -> QIFParams:
        """Return the neuron to start from.

        Raises:
            InputError: constants that disagree, such as a clamp at or above theta.
        """
        params = replace(self.neuron.params(), reset=self.reset)
        return params if self.u_min is None else replace(params, u_min=np.full(params.channels, self.u_min))

    def as_json(self) -> dict[str, Any]:
        """Return the keys of the TOML file."""
        found = plain_values(self, skip=("neuron", "augmentation"))
        found["neuron"] = {"form": form_name(self.neuron)} | {f.name: getattr(self.neuron, f.name) for f in fields(self.neuron)}
        if self.augmentation is not None:
            found["augmentation"] = plain_values(self.augmentation)
        return found


Limit = tuple[str, bool, str]


def _single_limits(r: Recipe) -> list[Limit]:
    """Field, whether it holds, what is allowed."""
    return [
        ("dataset", r.dataset in DATASETS, f"one of {list(DATASETS)}"),
        ("model", r.model in MODELS, f"one of {sorted(MODELS)}"),
        ("seed", 0 <= r.seed < 2**63, "0..2**63 - 1"),
        ("steps", 1 <= r.steps <= 1024, "1..1024"),
        ("hidden", 0 <= r.hidden <= 65536, "0 (none)..65536"),
        ("alpha", 0 < r.alpha <= 10, "above 0, at most 10"),
        ("window", 0 < r.window <= 10, "above 0, at most 10"),
        ("label_smoothing", 0 <= r.label_smoothing < 1, "0 or more, below 1"),
        ("epochs", 1 <= r.epochs <= 10_000, "1..10000"),
        ("batch_size", 2 <= r.batch_size <= 65536, "2..65536"),
        ("learning_rate", 0 < r.learning_rate <= 10, "above 0, at most 10"),
        ("weight_decay", 0 <= r.weight_decay <= 10, "0..10"),
        ("shift_pixels", 0 <= r.shift_pixels <= 16, "0..16"),
        ("width", 0 < r.width <= 16, "above 0, at most 16"),
        ("dropout", 0 <= r.dropout < 1, "0 or more, below 1"),
        ("tet_lambda", 0 <= r.tet_lambda <= 1, "0..1"),
        ("tet_target", abs(r.tet_target) <= 1000, "-1000..1000"),
        ("momentum", 0 <= r.momentum < 1, "0 or more, below 1"),
        ("gradient_clip", 0 <= r.gradient_clip <= 1e6, "0 (no limit)..1e6"),
        ("validation_fraction", 0 <= r.validation_fraction < 1, "0 (none) or more, below 1"),
        ("patience", 0 <= r.patience <= 10_000, "0 (never stop)..10000"),
    ]


def _joint_limits(r: Recipe) -> list[Limit]:
    """Fields that depend on each other."""
    if r.model in CHANNELLED:
        channels = ("channels", 1 <= len(r.channels) <= 8 and all(1 <= c <= 4096 for c in r.channels), "1 to 8 numbers of 1..4096")
    else:
        channels = ("channels", not r.channels, f"no entry for model {r.model!r:.80}, whose channels are published; use width")
    events, moved = r.dataset in EVENT_DATA, r.augmentation is not None or r.encoder is Encoder.RATE
    return [
        channels,
        ("hidden", not r.hidden or r.model == "conv", "0 for every model but 'conv'"),
        ("learned", len(set(r.learned)) == len(r.learned), "each constant once"),
        ("dropout", not r.dropout or r.model != "conv", "0 for model 'conv'"),
        ("tet_lambda", not r.tet_lambda or r.loss is Loss.EACH_STEP, "0 unless loss is 'each_step'"),
        ("warmup_epochs", 0 <= r.warmup_epochs < max(r.epochs, 1), f"0..{r.epochs - 1}, below epochs"),
        ("warmup_epochs", not r.warmup_epochs or r.schedule is Schedule.COSINE, "0 unless schedule is 'cosine'"),
        ("patience", not r.patience or r.validation_fraction > 0, "0 without a validation_fraction"),
        ("encoder", not (events and r.encoder is Encoder.RATE), f"'direct' for the event data set {r.dataset!r:.80}"),
        (
            "shift_pixels",
            not (r.shift_pixels and (events or moved)),
            "0 for events, rate encoding or beside [augmentation]; use crop_padding",
        ),
    ]


def _shown(value: Any) -> Any:
    return tuple(_shown(item) for item in value) if isinstance(value, tuple) else getattr(value, "value", value)


def load_recipe(name_or_file: str | Path) -> Recipe:
    """Return a builtin recipe by name, or the one in a ``.toml`` file.

    Raises:
        InputError: no such recipe or file, no TOML, a key missing, unknown or of the wrong type, a value outside its limits.
    """
    if str(name_or_file) in BUILTIN:
        text = (resources.files("qif_deploy.training") / "recipes" / f"{name_or_file}.toml").read_text(encoding="utf-8")
        return parse_recipe(parse_toml(text), where=str(name_or_file))
    path = Path(name_or_file)
    if path.suffix != ".toml":
        raise unknown_word("recipe", str(name_or_file), sorted(BUILTIN), also=", or the path of a .toml file")
    try:
        table = parse_toml(read_text(path, most=MAX_TEXT_FILE))
    except FileNotFoundError:
        raise missing_file(path, remedy=f"check the path, or use one of {', '.join(sorted(BUILTIN))}") from None
    except OSError as error:
        raise InputError(
            f"recipe {str(path)!r} cannot be read: {error.strerror}; check the path, or use one of {sorted(BUILTIN)}"
        ) from None
    except ValueError as error:
        raise InputError(f"recipe {str(path)!r} is no TOML: {str(error).splitlines()[0]}; correct that place") from None
    return parse_recipe(table, where=str(path))


def parse_recipe(table: Mapping[str, Any], *, where: str) -> Recipe:
    """Build a recipe from the keys of a TOML file or of ``Recipe.as_json``; no other key may be there.

    Raises:
        InputError: a key missing, unknown or of the wrong type, or a value outside its limits.
        MissingDependencyError: a table ``[augmentation]``, and torchvision is not installed.
    """
    rest = {key: value for key, value in table.items() if key not in _TABLES}
    neuron = _neuron(table.get("neuron"), where)
    values = checked_values(rest, Recipe, f"recipe {where!r}", skip=_TABLES, enums=_ENUMS)
    augmentation = _augmentation(table["augmentation"], where) if "augmentation" in table else None
    return Recipe(neuron=neuron, augmentation=augmentation, **values)


def _neuron(table: Any, where: str) -> NeuronForm:
    forms = sorted(FORMS)
    if not isinstance(table, Mapping):
        raise InputError(f"recipe {where!r}: neuron = {table!r:.80}, allowed is a table [neuron] with form, one of {forms}")
    word = table.get("form")
    if not isinstance(word, str) or word not in FORMS:
        raise InputError(f"recipe {where!r}: [neuron] form = {word!r:.80}, allowed is one of {forms}")
    constants = {key: value for key, value in table.items() if key != "form"}
    return FORMS[word](**checked_values(constants, FORMS[word], f"recipe {where!r}, [neuron] of form {word!r}", skip=(), enums={}))


def _augmentation(table: Any, where: str) -> Augmentation:
    from qif_deploy.training.data.augmentation import Augmentation, Policy  # torchvision: a second of import that few recipes need

    if not isinstance(table, Mapping):
        raise InputError(f"recipe {where!r}: augmentation = {table!r:.80}, allowed is a table [augmentation]")
    return Augmentation(**checked_values(table, Augmentation, f"recipe {where!r}, [augmentation]", skip=(), enums={"Policy": Policy}))


_TABLES = ("neuron", "augmentation")
_ENUMS: Mapping[str, type[Any]] = {
    kind.__name__: kind for kind in (Encoder, LearnedConstant, Loss, Optimiser, Precision, ResetMode, Schedule, SurrogateShape, WindowKind)
}

__all__ = ["BUILTIN", "Loss", "Recipe", "load_recipe", "parse_recipe"]
