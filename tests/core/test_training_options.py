"""What a recipe may choose: models, losses, schedules, encoders, augmentation, precision; and what each choice does."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from qif_deploy.datasets.catalogue import load_dataset
from qif_deploy.datasets.dataset import Dataset, streamed
from qif_deploy.datasets.encoders import Encoder
from qif_deploy.errors import InputError
from qif_deploy.ir.nodes import QIF
from qif_deploy.neuron.params import ResetMode
from qif_deploy.training.assembly import build_network, input_spec, without_norms
from qif_deploy.training.batches import Share, evaluation_batches, training_batches
from qif_deploy.training.checkpoint import load_checkpoint, save_checkpoint
from qif_deploy.training.losses import loss_of
from qif_deploy.training.optimisation import WarmCosine, make_optimiser, make_schedule
from qif_deploy.training.recipe import BUILTIN, Recipe, load_recipe, parse_recipe
from qif_deploy.training.recipe_options import Loss, Optimiser, Precision, Schedule, WindowKind
from qif_deploy.training.spec import InputSpec, NormLayer
from qif_deploy.training.spike import SurrogateShape
from qif_deploy.training.stable_map import LearnedConstant
from qif_deploy.training.to_graph import to_graph
from qif_deploy.training.trainer import fit
from tests.core.trained import IMAGE, small_recipe
from tests.core.training_script import some_digits

PAPER = tuple(name for name in BUILTIN if name.partition("_")[0] not in ("digits", "mnist5k"))
COLOUR = InputSpec(shape=(3, 32, 32), low=0, high=255, scale=1 / 255, classes=10)


def table(**changes: Any) -> dict[str, Any]:
    return small_recipe().as_json() | changes


def parsed(**changes: Any) -> Recipe:
    return parse_recipe(table(**changes), where="mine.toml")


def test_recipes_from_before_the_options_keep_their_meaning(tmp_path: Path) -> None:
    new = {f.name for f in dataclasses.fields(Recipe) if f.default is not dataclasses.MISSING} - {"channels", "hidden", "shift_pixels"}
    old = {key: value for key, value in table().items() if key not in new}
    assert parse_recipe(old, where="old.toml") == small_recipe()
    recipe = dataclasses.replace(small_recipe(), epochs=1)
    network, metrics = fit(recipe, some_digits())
    path = tmp_path / "model.safetensors"
    save_checkpoint(path, network, recipe, metrics)
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    description = json.loads(header["__metadata__"]["qif_deploy"])
    description["recipe"] = {key: value for key, value in description["recipe"].items() if key not in new}
    text = json.dumps(header | {"__metadata__": {"qif_deploy": json.dumps(description)}}).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + length :])
    assert load_checkpoint(path).recipe == recipe


@pytest.mark.parametrize("name", PAPER)
def test_recipes_of_the_papers_rows_say_that_they_were_not_run(name: str) -> None:
    text = (Path(load_recipe.__code__.co_filename).parent / "recipes" / f"{name}.toml").read_text()
    assert "is an aim: this recipe was not run here" in text
    assert "our own choice" in text
    recipe = load_recipe(name)
    assert recipe.augmentation is not None
    assert recipe.loss is Loss.EACH_STEP
    assert recipe.steps == (10 if "dvs" in name else 2 if name.endswith("t2") else 4)


def test_mnist_twins_differ_in_the_neuron_only() -> None:
    default = load_recipe("mnist5k")
    for name in ("mnist5k_roots", "mnist5k_lif"):
        assert dataclasses.replace(load_recipe(name), name=default.name, neuron=default.neuron) == default


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"model": "resnet20"}, "model = 'resnet20', allowed is one of"),
    ({"model": "resnet19"}, r"channels = \(4, 6\), allowed is no entry for model 'resnet19'"),
    ({"model": "mlp"}, "hidden = 8, allowed is 0 for every model but 'conv'"),
    ({"dropout": 0.5}, "dropout = 0.5, allowed is 0 for model 'conv'"),
    ({"optimiser": "adam"}, r"optimiser = 'adam', allowed is one of \['adamw', 'sgd'\]"),
    ({"precision": 32}, r"precision = 32, allowed is one of \['16-mixed', '32', 'bf16-mixed'\]"),
    ({"tet_lambda": 0.1}, "tet_lambda = 0.1, allowed is 0 unless loss is 'each_step'"),
    ({"warmup_epochs": 1}, "warmup_epochs = 1, allowed is 0..0, below epochs"),
    ({"warmup_epochs": 1, "epochs": 5}, "warmup_epochs = 1, allowed is 0 unless schedule is 'cosine'"),
    ({"patience": 3}, "patience = 3, allowed is 0 without a validation_fraction"),
    ({"encoder": "rate", "dataset": "nmnist"}, "encoder = 'rate', allowed is 'direct' for the event data set 'nmnist'"),
    ({"encoder": "rate", "shift_pixels": 1}, r"shift_pixels = 1, allowed is 0 for events, rate encoding or beside \[augmentation\]"),
    ({"augmentation": 3}, r"augmentation = 3, allowed is a table \[augmentation\]"),
    ({"augmentation": {"flips": True}}, r"\[augmentation\]: key 'flips' is unknown"),
    ({"augmentation": {"policy": "rand"}}, r"policy = 'rand', allowed is one of \['cifar10', 'imagenet', 'none'\]"),
    ({"reset": "soft"}, r"reset = 'soft', allowed is one of \['hard', 'subtract'\]"),
    ({"u_min": 1.5}, "u_min"),
    ({"learned": "slope"}, r"learned = 'slope', allowed is a list of \['curvature', 'rest', 'slope', 'threshold'\]"),
    ({"learned": ["slope", "slope"]}, r"learned = \('slope', 'slope'\), allowed is each constant once"),
    ({"data_root": 3}, "data_root = 3, allowed is printable text"),
]


@pytest.mark.parametrize(("change", "message"), WRONG)
def test_wrong_options_are_refused_in_one_line(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        parsed(**change)
    assert "\n" not in str(caught.value)


def test_tet_adds_the_distance_from_the_target() -> None:
    currents = torch.randn(4, 5, 3, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 1, 2, 0, 1])
    plain = small_recipe(loss=Loss.EACH_STEP)
    mixed = dataclasses.replace(plain, tet_lambda=0.25, tet_target=2.0)
    by_hand = torch.stack([torch.nn.functional.cross_entropy(step, labels) for step in currents]).mean()
    distance = ((currents - 2.0) ** 2).mean()
    assert loss_of(currents, labels, plain).item() == pytest.approx(by_hand.item(), rel=1e-6)
    assert loss_of(currents, labels, mixed).item() == pytest.approx((0.75 * by_hand + 0.25 * distance).item(), rel=1e-6)
    assert loss_of(currents.bfloat16(), labels, plain).dtype == torch.float32


def test_cosine_warms_up_and_ends_at_zero() -> None:
    factor = WarmCosine(updates=30, warmup=10)
    values = [factor(n) for n in range(31)]
    assert values[:10] == [(n + 1) / 10 for n in range(10)]
    assert values[10] == 1
    assert values[20] == pytest.approx(0.5)
    assert values[30] == pytest.approx(0.0, abs=1e-15)
    assert all(a >= b for a, b in itertools.pairwise(values[10:]))
    assert math.isclose(WarmCosine(updates=4, warmup=0)(0), 1.0)


def test_optimisers_decay_weights_only() -> None:
    network = build_network(small_recipe(), IMAGE, seed=0)
    for optimiser, kind in ((Optimiser.ADAMW, torch.optim.AdamW), (Optimiser.SGD, torch.optim.SGD)):
        made = make_optimiser(network, small_recipe(optimiser=optimiser, momentum=0.7))
        assert isinstance(made, kind)
        assert [group["weight_decay"] for group in made.param_groups] == [0.1, 0.0]
        assert all(p.ndim > 1 for p in made.param_groups[0]["params"])
    assert made.param_groups[0]["momentum"] == 0.7
    schedule = make_schedule(made, dataclasses.replace(small_recipe(schedule=Schedule.COSINE), epochs=2), updates_per_epoch=3)
    assert schedule.get_last_lr() == [0.01, 0.01]


def test_surrogate_and_window_come_from_the_recipe() -> None:
    derived = build_network(small_recipe(), IMAGE, seed=0).by_name["qif1"].spike
    fixed = build_network(small_recipe(window_kind=WindowKind.FIXED, window=0.3, surrogate=SurrogateShape.ARCTAN), IMAGE, seed=0)
    spike = fixed.by_name["qif2"].spike
    assert spike.shape is SurrogateShape.ARCTAN
    assert spike.half_width.tolist() == pytest.approx([0.3])
    assert derived.shape is SurrogateShape.RECTANGULAR
    assert derived.half_width.item() != pytest.approx(0.5, abs=1e-3)


def test_without_norms_the_network_runs_and_converts() -> None:
    residual = dataclasses.replace(small_recipe(), model="resnet19", channels=(), hidden=0, width=1 / 32, steps=2)
    for recipe, image in ((small_recipe(), IMAGE), (residual, COLOUR)):
        network = build_network(dataclasses.replace(recipe, normalise=False), image, seed=0)
        assert not any(isinstance(layer, NormLayer) for layer in network.spec.layers)
        assert network(torch.zeros(2, *image.shape, dtype=torch.int64)).shape[1:] == (2, 10)
        assert "BatchNorm" not in {type(node).__name__ for node in to_graph(network.eval()).nodes.values()}
    spec = build_network(small_recipe(), IMAGE, seed=0).spec
    assert len(without_norms(spec).layers) == len(spec.layers) - 3


def tiny(samples: int = 48) -> Dataset:
    full = load_dataset("digits")
    return dataclasses.replace(
        full, x_train=full.x_train[:samples], y_train=full.y_train[:samples], x_test=full.x_test[:20], y_test=full.y_test[:20]
    )


def test_shares_of_all_processes_make_up_the_batch() -> None:
    recipe = small_recipe(batch_size=16, shift_pixels=1)
    whole = list(training_batches(tiny(), recipe, 3, workers=0))
    parts = []
    for rank in range(2):
        batches = training_batches(tiny(), recipe, 3, workers=0)
        batches.share = Share(rank=rank, world=2)
        parts.append(list(batches))
    for (x, y), (x0, y0), (x1, y1) in zip(whole, *parts, strict=True):
        assert torch.equal(x[0::2], x0)
        assert torch.equal(x[1::2], x1)
        assert torch.equal(y[0::2], y0)
        assert torch.equal(y[1::2], y1)


def test_streamed_and_stored_samples_give_the_same_network() -> None:
    recipe = small_recipe(batch_size=16)
    stored, first = fit(recipe, tiny())
    read, second = fit(recipe, streamed(tiny()))
    assert all(torch.equal(a, b) for a, b in zip(stored.state_dict().values(), read.state_dict().values(), strict=True))
    assert (first.accuracy_test, first.rates, first.losses) == (second.accuracy_test, second.rates, second.losses)
    assert second.accuracy_train is None


def test_event_frames_come_time_first_and_must_be_as_many_as_the_steps() -> None:
    data = tiny()
    frames = np.repeat(data.x_train[:, None], 4, axis=1)
    events = dataclasses.replace(data, x_train=frames, x_test=np.repeat(data.x_test[:, None], 4, axis=1), frames=4)
    recipe = small_recipe(batch_size=16)
    held, held_metrics = fit(recipe, data)
    framed, framed_metrics = fit(recipe, events)
    # The same frame at every step is what holding means; only the first norm's running variance, over 4 times the values, differs.
    assert framed_metrics.accuracy_test == pytest.approx(held_metrics.accuracy_test, abs=0.2)
    x, _ = next(iter(training_batches(events, recipe, 0, workers=0)))
    assert x.shape == (4, 16, 1, 8, 8)
    assert held.spec == framed.spec
    with pytest.raises(InputError, match="steps = 3, but the data set has 4 frames"):
        fit(dataclasses.replace(recipe, steps=3), events)


def test_rate_encoding_makes_spikes_whose_mean_is_the_code() -> None:
    recipe = dataclasses.replace(small_recipe(encoder=Encoder.RATE, batch_size=16), steps=200)
    data = tiny()
    first, second = (list(evaluation_batches(streamed(data).test, recipe, data, batch_size=20)) for _ in range(2))
    (spikes, _), (again, _) = first[0], second[0]
    assert torch.equal(spikes, again)
    assert spikes.shape == (200, 20, 1, 8, 8)
    # A mean over 200 draws deviates by at most 0.0354; 5 deviations over 1,280 pixels.
    assert (spikes.float().mean(0) - torch.tensor(data.x_test) / 16).abs().max() < 5 * 0.0354
    assert input_spec(data, Encoder.RATE).high == 1
    batches = training_batches(data, recipe, 0, workers=0)
    one, two = (torch.stack([x for x, _ in batches]) for _ in range(2))
    assert not torch.equal(one, two)
    network, metrics = fit(dataclasses.replace(recipe, steps=4), data)
    assert network.spec.input.high == 1
    assert metrics.losses[0] > 0


def test_augmented_samples_differ_from_epoch_to_epoch_and_repeat_with_the_seed() -> None:
    recipe = parsed(augmentation={"roll_pixels": 2}, batch_size=16)
    assert parse_recipe(recipe.as_json(), where="again") == recipe
    runs = []
    for _ in range(2):
        batches = training_batches(tiny(), recipe, 5, workers=0)
        runs.append([torch.cat([x for x, _ in batches]) for _ in range(2)])
    assert torch.equal(runs[0][0], runs[1][0])
    assert torch.equal(runs[0][1], runs[1][1])
    assert not torch.equal(runs[0][0].sum((0, 1)), runs[0][1].sum((0, 1)))


def test_half_precision_and_clipping_train() -> None:
    recipe = dataclasses.replace(small_recipe(precision=Precision.BFLOAT16, gradient_clip=1e-6, optimiser=Optimiser.SGD), learning_rate=0.1)
    start = build_network(recipe, IMAGE, seed=0).state_dict()
    network, _ = fit(recipe, tiny(64))
    moved = [float((network.state_dict()[name] - tensor).norm()) for name, tensor in start.items() if "weight" in name]
    # One update of at most learning_rate * (clipped gradient + weight decay * weights); without the clip it is above 1e-2.
    assert 0 < max(moved) <= 0.1 * (1e-6 + 0.1 * max(float(t.norm()) for t in start.values()))
    with pytest.raises(InputError, match="precision = '16-mixed' needs a GPU; use 'bf16-mixed' or '32'"):
        fit(dataclasses.replace(recipe, precision=Precision.FLOAT16), tiny(64))


def test_early_stop_keeps_the_best_weights() -> None:
    recipe = dataclasses.replace(small_recipe(batch_size=16, validation_fraction=0.3, patience=2), epochs=40, learning_rate=1e-9)
    network, metrics = fit(recipe, tiny(90))
    assert len(metrics.losses) == len(metrics.validation) < 40
    assert metrics.accuracy_validation == max(metrics.validation)
    assert not network.training


def test_reset_clamp_and_learned_constants_reach_every_population_and_the_graph() -> None:
    with pytest.raises(InputError, match="a fixed surrogate window where the map runs away"):
        build_network(parsed(reset="subtract"), IMAGE, seed=0)
    recipe = parsed(reset="subtract", u_min=-3.0, learned=["curvature", "slope"], batch_size=16, window_kind="fixed")
    assert parse_recipe(recipe.as_json(), where="again") == recipe
    network, _ = fit(recipe, tiny())
    start = recipe.params()
    for node in to_graph(network).nodes.values():
        if isinstance(node, QIF):
            assert node.params.reset is ResetMode.SUBTRACT
            assert node.params.u_min is not None
            assert node.params.u_min.tolist() == [-3.0]
            assert node.params.c2 != start.c2  # learned
            assert abs(node.params.c2 - start.c2) < 0.1
    fixed = build_network(dataclasses.replace(recipe, learned=()), IMAGE, seed=0)
    assert not any("stable_map" in name for name in fixed.state_dict())


def test_learned_constants_survive_a_checkpoint(tmp_path: Path) -> None:
    recipe = dataclasses.replace(small_recipe(batch_size=16), learned=(LearnedConstant.SLOPE, LearnedConstant.THRESHOLD))
    network, metrics = fit(recipe, tiny())
    save_checkpoint(tmp_path / "m.safetensors", network, recipe, metrics)
    again = load_checkpoint(tmp_path / "m.safetensors")
    assert again.recipe == recipe
    assert to_graph(again.network) == to_graph(network)
