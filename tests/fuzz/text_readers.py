"""Readers of texts: recipes, target profiles, price lists, placements."""

from __future__ import annotations

import functools
import json
from importlib import resources
from pathlib import Path
from typing import Any

from tests.fuzz.reader import Reader, Structure
from tests.networks import chain


def _packaged(package: str, folder: str, *names: str) -> tuple[bytes, ...]:
    return tuple((resources.files(package) / folder / f"{name}.toml").read_bytes() for name in names)


def _read_recipe(path: Path) -> object:
    from qif_deploy.training.recipe import load_recipe

    return load_recipe(path)


def _read_target(path: Path) -> object:
    from qif_hardware.target import load_target

    return load_target(str(path))


def _read_prices(path: Path) -> object:
    from qif_deploy.pricing.price_list import load_price_list

    return load_price_list(str(path))


@functools.cache
def _small() -> Any:
    return chain()


def _placement_seeds() -> tuple[bytes, ...]:
    graph = _small()
    pieces = []
    for name in (*graph.populations, graph.readout):
        channels, height, width = (*graph.shapes[name], 1, 1)[:3]
        pieces.append({"layer": name, "c": [0, channels], "y": [0, height], "x": [0, width]})
    placed = [{"core": n, "chip": 0, "router": [n % 2, n // 2], "pieces": [piece]} for n, piece in enumerate(pieces)]
    return (json.dumps({"fits": True, "cores": len(placed), "chips": 1, "placement": placed}).encode(), b'{"cores": 3}')


def _read_placement(path: Path) -> object:
    from qif_deploy.pricing.placement import read_placement

    return read_placement(path, _small())


TEXT_READERS = (
    Reader(
        name="recipe", suffix=".toml", structure=Structure.TOML, read=_read_recipe, native=False,
        seeds=lambda: _packaged("qif_deploy.training", "recipes", "digits", "digits_lif", "cifar10-resnet19"),
    ),
    Reader(
        name="target", suffix=".toml", structure=Structure.TOML, read=_read_target, native=False,
        seeds=lambda: _packaged("qif_hardware", "targets", "loihi2", "wide", "loihi2-lava"),
    ),
    Reader(
        name="prices", suffix=".toml", structure=Structure.TOML, read=_read_prices, native=False,
        seeds=lambda: _packaged("qif_deploy.pricing", "prices", "loihi1-fitted", "lemaire", "loihi2"),
    ),
    Reader(name="placement", suffix=".json", structure=Structure.JSON, seeds=_placement_seeds, read=_read_placement, native=False),
)  # fmt: skip


__all__ = ["TEXT_READERS"]
