"""How the float network was trained: recipe, seed, loss."""

from __future__ import annotations

from qif_deploy.plots.charts import Curve
from qif_deploy.reporting.blocks import Block, Facts, Gallery, Paragraph, Section, Status, Table, View, absent
from qif_deploy.reporting.record import Record
from qif_deploy.reporting.run_files import METRICS, MODEL, RunFiles
from qif_deploy.wording import percent

KEY, TITLE = "training", "Training"

RECIPE = (
    ("name", "recipe"),
    ("dataset", "data set"),
    ("model", "model"),
    ("seed", "seed"),
    ("steps", "time steps T"),
    ("epochs", "epochs"),
)
"""Fields of a recipe and what they are called."""


def training_section(run: RunFiles) -> Section:
    """Return what recipe and metrics say; either is enough."""
    metrics = run.results.get(METRICS)
    if metrics is None and run.checkpoint is not None:
        metrics = run.checkpoint.record("metrics")
    if metrics is None:
        return absent(KEY, TITLE, missing=f"{MODEL} and no {METRICS}", command=run.command("train"))
    recipe = None if run.checkpoint is None else run.checkpoint.record("recipe")
    blocks: list[Block] = [Facts(title="Recipe and figures", rows=(*_recipe_rows(recipe), *_metric_rows(metrics)))]
    losses = metrics.numbers("losses") if metrics.holds("losses") else ()
    if len(losses) > 1 and min(losses) > 0:
        blocks.append(_loss_gallery(losses))
    if recipe is None:
        blocks.append(Paragraph(text=f"The recipe stands in {MODEL}, which the run folder does not hold."))
    test = metrics.maybe_number("accuracy_test")
    told = f"seed {metrics.whole('seed')}" + ("" if test is None else f", test accuracy in float {percent(test)}")
    return Section(key=KEY, title=TITLE, status=Status.FACT, verdict=told, blocks=tuple(blocks))


def _recipe_rows(recipe: Record | None) -> list[tuple[str, str]]:
    if recipe is None:
        return []
    rows = [(name, str(recipe.values[key])) for key, name in RECIPE if key in recipe.values]
    neuron = recipe.values.get("neuron")
    if isinstance(neuron, dict):
        rows.append(("neuron", ", ".join(f"{key} {value}" for key, value in neuron.items())))
    return rows


def _metric_rows(metrics: Record) -> list[tuple[str, str]]:
    rows = [
        (name, percent(metrics.number(key)))
        for key, name in (
            ("accuracy_train", "accuracy, training part"),
            ("accuracy_validation", "accuracy, validation part"),
            ("accuracy_test", "accuracy, test part"),
        )
        if metrics.holds(key)
    ]
    if metrics.holds("seconds"):
        rows.append(("time of training", f"{metrics.number('seconds'):.1f} s"))
    if metrics.holds("rates"):
        rates = metrics.record("rates")
        shown = ", ".join(f"{name} {rates.number(name):.3f}" for name in rates.values)
        rows.append(("spikes per neuron and step", shown))
    return rows


def _loss_gallery(losses: tuple[float, ...]) -> Gallery:
    table = Table(
        caption="Loss per epoch",
        columns=("epoch", "loss"),
        rows=tuple((str(n), f"{loss:.4g}") for n, loss in enumerate(losses, start=1)),
        numeric=frozenset({1}),
    )
    view = View(
        key="loss",
        label="loss",
        chart=Curve(values=losses, step_label="epoch", value_label="training loss"),
        summary=f"Training loss over {len(losses)} epochs: from {losses[0]:.3g} to {losses[-1]:.3g}.",
        table=table,
    )
    return Gallery(key="loss", title="Loss", choice="", views=(view,))
