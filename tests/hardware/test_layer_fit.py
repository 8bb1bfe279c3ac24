"""The memory model and the tile rule against the published rows, each as far as it may be asserted."""

from __future__ import annotations

import re
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qif_deploy.errors import InputError, UnsupportedError
from qif_hardware.chip import RESOURCES
from qif_hardware.mapping.layer_fit import ConvLayer, DenseLayer, LayerFit, Listener, RelayLayer, TileRule, fit_layer
from qif_hardware.mapping.memory import Tile, tile_words
from qif_hardware.target import load_target

LAVA = load_target("loihi2-lava").cores()
OLDER = LAVA.limited(synmem=12000)
SHARE = {"axon_in": 16000, "groups": 8, "neurons": 4095, "synmem": 16000, "axon_map": 16000, "axon_mem": 16000, "total": 20000}

# Layer, tile of the row (w, h, c), cores, percentages A G N S Map Mem T, words A+G+N+S+Map+Mem.
YOLO = {
    "Y1": (ConvLayer(width=224, height=224, channels=16, in_channels=3, stride=(2, 2), bits=5), (8, 28, 16), 224,
           (0.01, 12.5, 87.52, 0.34, 1.40, 0.70, 19.88), (1, 1, 3584, 54, 224, 112)),
    "Y3": (ConvLayer(width=56, height=56, channels=64, in_channels=32, stride=(2, 2), bits=5), (4, 14, 64), 56,
           (0.01, 12.5, 87.52, 10.80, 0.35, 0.17, 26.99), (1, 1, 3584, 1728, 56, 28)),
    "Y4": (ConvLayer(width=28, height=28, channels=128, in_channels=64, stride=(2, 2), bits=5, listener_splits=2), (4, 7, 128), 28,
           (0.01, 12.5, 87.52, 39.60, 0.17, 0.35, 50.03), (1, 1, 3584, 6336, 28, 56)),
    "Y6": (ConvLayer(width=14, height=14, channels=256, in_channels=256, stride=(2, 2), bits=4, listener_splits=8), (8, 7, 64), 16,
           (0.01, 12.5, 87.52, 72.0, 0.35, 2.80, 78.05), (1, 1, 3584, 11520, 56, 448)),
    "Y10": (ConvLayer(width=14, height=14, channels=48, in_channels=512, kernel=(1, 1), bits=7, listener=Listener.READ_OUT), (4, 14, 48), 4,
            (0.01, 25.0, 65.64, 19.20, 16.80, 0.0, 42.26), (1, 2, 2688, 3072, 2688, 0)),
}  # fmt: skip

# Layer, neurons shown, cores, percentages A G N S Map Mem T, words.
MNIST = {
    "M1": (DenseLayer(inputs=784, outputs=128), 50, 3, (4.90, 12.5, 1.22, 78.40, 0.31, 0.0, 67.14), (784, 1, 50, 12544, 50, 0)),
    "M2": (DenseLayer(inputs=128, outputs=64), 64, 1, (0.80, 12.5, 1.56, 16.80, 0.40, 0.0, 14.72), (128, 1, 64, 2688, 64, 0)),
    "M3": (DenseLayer(inputs=64, outputs=10, listener=Listener.READ_OUT), 10, 1,
           (0.40, 12.5, 0.24, 1.60, 0.06, 0.0, 1.71), (64, 1, 10, 256, 10, 0)),
}  # fmt: skip


def words_of(fit: LayerFit) -> tuple[int, ...]:
    w = fit.words
    return (w.axon_in, w.groups, w.neurons, w.synmem, w.axon_map, w.axon_mem)


def percentages(fit: LayerFit) -> list[float]:
    used = [fit.used[name] for name in ("axon_in", "groups", "neurons", "synmem", "axon_map", "axon_mem", "total")]
    return [100 * value for value in used]


@pytest.mark.parametrize("row", YOLO)
def test_yolo_rows(row: str) -> None:
    layer, tile, cores, printed, words = YOLO[row]
    at = fit_layer(layer, tile=tile)
    assert words_of(at) == words
    np.testing.assert_allclose(percentages(at), printed, atol=0.0101)
    assert at.total_percent == pytest.approx(printed[-1], abs=0.01)
    assert at.cores == cores
    chosen = fit_layer(layer)  # equal tiles tie, so w and h are not compared
    assert chosen.tile[2] == tile[2]
    assert np.prod(chosen.tile) == np.prod(tile)
    assert chosen.cores <= cores
    assert chosen.words.synmem == words[3]


def test_a_width_that_a_row_leaves_open_makes_no_difference_there() -> None:
    assert {fit_layer(replace(YOLO["Y1"][0], bits=bits), tile=(8, 28, 16)).words.synmem for bits in (3, 4, 5, 6)} == {54}


@pytest.mark.parametrize("row", MNIST)
def test_mnist_rows(row: str) -> None:
    layer, neurons, cores, printed, words = MNIST[row]
    at = fit_layer(layer, tile=(1, 1, neurons))
    assert words_of(at) == words
    np.testing.assert_allclose(percentages(at), printed, atol=0.0101)
    assert at.total_percent == pytest.approx(printed[-1], abs=0.01)
    assert fit_layer(layer).cores <= cores
    assert at.cores == cores


PILOTNET = {  # layer, tile, cores, AxonIn, SynMem, mean AxonMap
    "P0": (RelayLayer(width=200, height=66, channels=3, fed=False), (16, 66, 3), 13, 0, 0, 1015),
    "P1": (ConvLayer(width=99, height=32, channels=24, in_channels=3, stride=(2, 2), bits=6, copies=2), (4, 32, 24), 25, 2, 81, 253),
    "P2": (ConvLayer(width=49, height=15, channels=36, in_channels=24, stride=(2, 2), bits=5, copies=2), (4, 15, 36), 13, 2, 864, 113),
    "P3": (ConvLayer(width=24, height=7, channels=48, in_channels=36, stride=(2, 2), bits=5, copies=2), (8, 7, 48), 3, 2, 1620, 112),
    "P4": (ConvLayer(width=22, height=4, channels=64, in_channels=48, stride=(2, 1), bits=4), (8, 4, 64), 3, 1, 2160, 29),
    "P5": (ConvLayer(width=20, height=2, channels=64, in_channels=64, bits=4, listener=Listener.DENSE), (16, 2, 64), 2, 1, 2880, 1280),
}


@pytest.mark.parametrize("row", PILOTNET)
def test_pilotnet_convolutions(row: str) -> None:
    layer, tile, cores, axon_in, synmem, mean_map = PILOTNET[row]
    older = fit_layer(layer, target=OLDER, rule=TileRule.FULL_HEIGHT)
    assert (older.tile, older.cores) == (tile, cores)
    assert (older.words.axon_in, older.words.synmem) == (axon_in, synmem)
    assert older.words.neurons == np.prod(tile)
    assert fit_layer(layer, target=OLDER).cores <= cores
    per_neuron = older.words.axon_map / np.prod(tile)
    assert round(per_neuron * layer.width * layer.height * layer.channels / cores) == mean_map  # the older table prints means over cores


DENSE = {"P6": (2560, 100, 3, 12, 7253), "P7": (100, 50, 4, 1, 1300), "P8": (50, 10, 5, 1, 150), "P9": (10, 1, 6, 1, 10)}


@pytest.mark.parametrize("row", DENSE)
def test_pilotnet_dense_layers(row: str) -> None:
    inputs, outputs, bits, cores, synmem = DENSE[row]
    found = fit_layer(DenseLayer(inputs=inputs, outputs=outputs, bits=bits), target=OLDER)
    assert found.cores <= cores
    assert found.words.axon_in == inputs
    if row == "P6":  # a mean over 11 cores of 9 neurons and 1 core of 1
        nine, one = (fit_layer(DenseLayer(inputs=inputs, outputs=outputs, bits=bits), target=OLDER, tile=(1, 1, n)) for n in (9, 1))
        assert round((11 * nine.words.synmem + one.words.synmem) / 12) == synmem
        assert round((11 * 9 + 1) / 12) == 8
    else:
        assert (found.words.synmem, found.words.axon_map, found.words.neurons) == (synmem, outputs, outputs)


def test_solver_rows() -> None:
    """A cost neuron of two state words, fed by 100 axons of one word each, of which three or two cores are told."""
    for told, total in ((3, 206), (2, 204)):
        fit = fit_layer(DenseLayer(inputs=100, outputs=1, bits=8), target=replace(LAVA, state_words=2 if told == 3 else 1), tile=(1, 1, 1))
        printed = {"axon_in": 100, "groups": 1, "synmem": 100, "neurons": 2 if told == 3 else 1}
        assert {name: getattr(fit.words, name) for name in printed} == printed
        assert sum(printed.values()) + told == total
    assert 100 * 204 / SHARE["total"] == pytest.approx(1.02)


@given(st.integers(1, 600), st.integers(1, 600), st.integers(1, 8))
def test_dense_rows_are_the_formula(inputs: int, outputs: int, bits: int) -> None:
    found = fit_layer(DenseLayer(inputs=inputs, outputs=outputs, bits=bits), target=LAVA, tile=(1, 1, outputs))
    stored = 8 if bits == 7 else bits
    assert found.words.synmem == inputs * ceil((outputs * (stored + 12) + 8) / 64)


@given(st.integers(1, 64), st.integers(1, 5), st.integers(1, 5), st.integers(1, 300), st.integers(1, 8))
def test_shared_kernels_do_not_depend_on_the_area(inputs: int, kh: int, kw: int, channels: int, bits: int) -> None:
    layer = ConvLayer(width=20, height=12, channels=channels, in_channels=inputs, kernel=(kh, kw), bits=bits)
    words = {fit_layer(layer, target=LAVA, tile=(w, h, channels)).words.synmem for w, h in ((1, 1), (20, 12), (7, 3))}
    assert words == {kh * kw * inputs * ceil((channels * bits + 20) / 64)}


def test_depthwise_pool_and_relay() -> None:
    depthwise = fit_layer(ConvLayer(width=8, height=8, channels=30, in_channels=30, groups=30, bits=8), tile=(8, 8, 30))
    assert depthwise.words.synmem == 9 * 30
    assert fit_layer(RelayLayer(width=8, height=8, channels=30, kernel=(2, 2)), tile=(8, 8, 30)).words.synmem == 4 * 30
    assert fit_layer(RelayLayer(width=8, height=8, channels=30), tile=(8, 8, 30)).words.synmem == 30
    assert fit_layer(RelayLayer(width=8, height=8, channels=30, fed=False)).words.synmem == 0


def test_groups_have_rows_of_their_own() -> None:
    two = ConvLayer(width=4, height=4, channels=20, in_channels=6, groups=2, bits=8)
    assert fit_layer(two, tile=(4, 4, 10)).words.synmem == 9 * 3 * ceil(100 / 64)
    assert fit_layer(two, tile=(4, 4, 20)).words.synmem == 2 * 9 * 3 * ceil(100 / 64)
    # A tile of 8 channels may lie across the border of the groups (8..16): 2 rows of 2 and 6.
    assert fit_layer(two, tile=(4, 4, 8)).words.synmem == 9 * 3 * (ceil((2 * 8 + 20) / 64) + ceil((6 * 8 + 20) / 64))


def test_joins_add_up() -> None:
    layer = ConvLayer(width=8, height=8, channels=16, in_channels=16).as_layer()
    (one,) = layer.projections
    join = replace(layer, projections=(one, replace(one, name="skip", groups=16, y=replace(one.y, taps=(0,)), x=replace(one.x, taps=(0,)))))
    words = tile_words(join, Tile(8, 8, 16), LAVA, ())
    assert words.axon_in == 2
    assert words.synmem == tile_words(layer, Tile(8, 8, 16), LAVA, ()).synmem + 16


def test_sparse_rows_count_what_is_there() -> None:
    rows = (0, 3, 10, 1)
    found = fit_layer(DenseLayer(inputs=4, outputs=10, bits=8, rows=rows), tile=(1, 1, 10))
    assert found.words.synmem == sum(ceil((n * 20 + 8) / 64) for n in rows if n)
    assert found.words.synmem < fit_layer(DenseLayer(inputs=4, outputs=10), tile=(1, 1, 10)).words.synmem
    with pytest.raises(InputError, match=r"give one count of 0\.\.10 per input"):
        fit_layer(DenseLayer(inputs=4, outputs=10, rows=(1, 2)))


def test_loihi1_rows_come_in_blocks_and_axons_per_position() -> None:
    chip = load_target("loihi1").cores()
    layer = ConvLayer(width=8, height=8, channels=100, in_channels=40, bits=7)
    found = fit_layer(layer, target=chip, tile=(4, 4, 100))
    assert found.words.synmem == 9 * 40 * ceil((2 * 10 + 100 * (8 + 10)) / 64)  # 7 bits are stored as 8
    assert found.words.axon_in == 6 * 6 * 2  # the halo, for two blocks of 32 channels


@given(st.integers(1, 96), st.integers(1, 40), st.integers(1, 40), st.integers(1, 64), st.integers(2, 8))
def test_the_rule_keeps_every_ceiling(channels: int, width: int, height: int, inputs: int, bits: int) -> None:
    chip = LAVA.limited(synmem=3000, neurons=300, total=4000)
    layer = ConvLayer(width=width, height=height, channels=channels, in_channels=inputs, bits=bits)
    found = fit_layer(layer, target=chip)
    assert all(value <= chip.limits[name] for name, value in zip(RESOURCES, found.words, strict=True))
    assert found.words.total <= 4000
    w, h, c = found.tile
    assert found.cores == ceil(width / w) * ceil(height / h) * ceil(channels / c)


def test_what_fits_nowhere_is_told_with_numbers() -> None:
    with pytest.raises(UnsupportedError, match="one neuron alone needs 40003 words in all, a core of 'loihi2-lava' has 20000"):
        fit_layer(DenseLayer(inputs=20000, outputs=10))
    with pytest.raises(InputError, match="channels 0 is below 1"):
        fit_layer(ConvLayer(width=4, height=4, channels=0, in_channels=1))
    with pytest.raises(InputError, match="3 groups do not divide"):
        fit_layer(ConvLayer(width=4, height=4, channels=4, in_channels=4, groups=3))
    with pytest.raises(InputError, match="is not within the layer"):
        fit_layer(DenseLayer(inputs=4, outputs=4), tile=(1, 1, 5))
    with pytest.raises(InputError, match="target 'wide' is a number format"):
        fit_layer(DenseLayer(inputs=4, outputs=4), target="wide")


def test_the_example_of_the_document_runs() -> None:
    text = (Path(__file__).parents[2] / "docs" / "mapping.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {}
    exec(example, names)
    assert names["fit"].cores == 28
