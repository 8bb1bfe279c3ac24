"""The bundle for owners of Loihi 2: its operation lists are the step, its weights the synapses, its script finds what differs."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qif_deploy.errors import FormatError, InputError
from qif_deploy.fixedpoint import RoundingMode
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.neuron.fixed_step import fixed_step
from qif_deploy.neuron.params import ResetMode
from qif_deploy.simulate.reference import run_reference
from qif_deploy.simulate.trace import Trace
from qif_hardware.handoff.bundle import write_hand_off
from qif_hardware.handoff.compare import run_population
from qif_hardware.handoff.step_program import step_program
from tests.hardware.lava_networks import Combination
from tests.hardware.test_lava_plan import several_into_the_readout, wide_weights
from tests.networks import chain, random_inputs
from tests.strategies import codes, constants


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_the_operation_list_is_the_integer_step(data):
    k = data.draw(constants(channels=2))
    limit = k.number_format.state_limit
    i = np.array(data.draw(st.lists(st.lists(codes(2 * limit), min_size=2, max_size=2), min_size=1, max_size=5)))[:, None]
    operations = [operation.as_json() for operation in step_program(k)]
    arrays = {name: getattr(k, name) for name in ("c2m", "c1m", "s2", "theta", "reset", "r0", "reset_by", "u_min")}
    given_codes = {name: values for name, values in arrays.items() if values is not None}
    u, s = run_population(operations, given_codes, i, k.number_format.rounding.value)
    r = k.r0[None]
    for t in range(len(i)):
        step = fixed_step(r, i[t], k.laid_out(1))
        assert np.array_equal(u[t], step.u)
        assert np.array_equal(s[t], step.s)
        r = step.r


def test_horner_form_takes_two_multiplications_and_one_where_the_parabola_is_flat():
    def multiplications(name: str) -> int:
        cell = Combination(network=name, steps=1, reset_mode=ResetMode.HARD, rounding=RoundingMode.FLOOR).build()
        return sum(o.operator.name == "MULTIPLY" for o in step_program(cell.population("q1").constants))

    assert (multiplications("mlp"), multiplications("lif_twin")) == (2, 1)


def written(graph: QuantizedGraph, folder: Path, *, steps: int = 3, samples: int = 4) -> tuple[dict, Trace]:
    inputs = random_inputs(graph, samples=samples, steps=steps)
    report = write_hand_off(graph, folder, inputs)
    assert {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in report.sha256} == dict(report.sha256)
    assert {path.name for path in folder.iterdir()} == set(report.sha256)
    return json.loads((folder / "bundle.json").read_text()), run_reference(graph, inputs)


def ended(folder: Path, *arguments: str) -> tuple[int, str]:
    """Exit code and output of the bundle's script."""
    done = subprocess.run(
        [sys.executable, "-I", str(folder / "compare.py"), *arguments], capture_output=True, text=True, cwd=folder, check=False
    )
    assert done.stderr == ""
    return done.returncode, done.stdout.strip()


NETWORKS = {
    "chain": chain,
    "wide": wide_weights,
    "joins": several_into_the_readout,
    "residual": Combination(network="residual", steps=4, reset_mode=ResetMode.SUBTRACT, rounding=RoundingMode.NEAREST).build,
}


@pytest.mark.parametrize("network", NETWORKS)
def test_weights_and_exponents_give_the_input_of_every_population(network, tmp_path):
    """From the files alone: codes and spikes of the golden vectors through the weights are the golden ``i``."""
    graph = NETWORKS[network]()
    bundle, _ = written(graph, tmp_path / "bundle")
    with np.load(tmp_path / "bundle" / "weights.npz") as weights, np.load(tmp_path / "bundle" / "vectors.npz") as golden:
        constants = np.load(tmp_path / "bundle" / "constants.npz")
        for name in bundle["populations"]:
            i = golden[f"{name}/i"]
            total = np.zeros(i.shape, np.int64)
            into = {
                step["operands"][0].removeprefix("acc.")
                for step in bundle["populations"][name]["current"]
                if step["operator"] == "SHIFT_LEFT"
            }
            for synapse, record in bundle["synapses"].items():
                if synapse.split(".digit")[0] not in into:
                    continue
                source = record["source"]
                signal = golden[f"input/{source}"] if f"input/{source}" in golden else golden[f"{source}/s"]
                total += shifted_sums(synapse, record, weights, signal.astype(np.int64)).reshape(i.shape)
            bias = constants[f"{name}/bias"].reshape(-1, *([1] * (i.ndim - 3)))
            assert np.array_equal(total + bias, i), name


def shifted_sums(name: str, record: dict, weights, signal: np.ndarray) -> np.ndarray:
    """``(weights @ s) 2^weight_exp`` as ``(time, sample, channel, height, width)``, by the definition of each kind."""
    frames = signal.reshape(-1, *signal.shape[2:])
    lava = frames.transpose(0, *range(frames.ndim - 1, 0, -1))
    values = weights[f"{name}/weights"].astype(np.int64)
    assert not (values % 2).any()
    assert np.abs(values).max() <= 254
    match record["kind"]:
        case "dense":
            sums = lava.reshape(len(lava), -1) @ values.T
        case "sparse":
            rows, inputs = record["shape"]
            matrix = np.zeros((rows, inputs), np.int64)
            starts, columns = weights[f"{name}/starts"], weights[f"{name}/columns"]
            for row in range(rows):
                matrix[row, columns[starts[row] : starts[row + 1]]] = values[starts[row] : starts[row + 1]]
            sums = (lava.reshape(len(lava), -1) @ matrix.T).reshape(-1, *record["output_shape"])
        case kind:
            assert kind == "conv"
            sums = true_convolution(lava, values, record)
    doubled = sums * 2 ** (record["weight_exp"] + 1)
    assert not (doubled % 2).any()
    return np.ascontiguousarray((doubled // 2).transpose(0, *range(sums.ndim - 1, 0, -1)))


def true_convolution(lava: np.ndarray, kernel: np.ndarray, record: dict) -> np.ndarray:
    """Every tap in plain loops: the tap at index a reads the input K - 1 - a further on."""
    (px, py), (sx, sy), (dx, dy), groups = record["padding"], record["stride"], record["dilation"], record["groups"]
    signal = np.array(lava)
    if record["blank_beyond"] is not None:
        signal[:, record["blank_beyond"][0] :] = 0
        signal[:, :, record["blank_beyond"][1] :] = 0
    padded = np.pad(signal, ((0, 0), (px, px), (py, py), (0, 0)))
    outputs, kx, ky, per_group = kernel.shape
    width, height = (padded.shape[1] - dx * (kx - 1) - 1) // sx + 1, (padded.shape[2] - dy * (ky - 1) - 1) // sy + 1
    out = np.zeros((len(lava), width, height, outputs), np.int64)
    for o, a, b, c in np.ndindex(kernel.shape):
        left, top = (kx - 1 - a) * dx, (ky - 1 - b) * dy
        channel = o // (outputs // groups) * per_group + c
        taps = padded[:, left : left + sx * (width - 1) + 1 : sx, top : top + sy * (height - 1) + 1 : sy, channel]
        out[..., o] += taps * kernel[o, a, b, c]
    return out


def test_the_contract_holds_every_value_of_the_golden_vectors(tmp_path):
    bundle, trace = written(chain(), tmp_path / "bundle", samples=32, steps=4)
    assert bundle["silicon"] == "nothing of this has run on silicon"
    for name, population in bundle["populations"].items():
        for quantity in ("i", "u"):
            values, proven = getattr(trace.populations[name], quantity), population["bit_widths"][quantity]
            assert proven["lo"] <= values.min()
            assert values.max() <= proven["hi"]
            assert proven["verdict"] in ("fits", "harmless")
            assert -(2 ** (proven["bits"] - 1)) <= proven["lo"]
    assert bundle["timing"]["depth"] == {"image": 0, "q1": 1, "q2": 2, "q3": 3, "out": 4}


def test_the_script_checks_the_bundle_and_what_hardware_returns(tmp_path):
    folder = tmp_path / "bundle"
    _, trace = written(chain(), folder, steps=4)
    assert ended(folder) == (0, "6 of 10 arrays computed by the operation lists, all equal")
    trace.save(tmp_path / "returned.npz")
    assert ended(folder, str(tmp_path / "returned.npz")) == (0, "10 of 10 arrays given, all equal")
    wrong = {"q2/u": trace.populations["q2"].u.copy(), "q1/s": trace.populations["q1"].s[:2], "nothing": np.zeros(1)}
    wrong["q2/u"][1, 2, 0, 0, 0] += 1
    np.savez(tmp_path / "wrong.npz", **wrong)
    code, lines = ended(folder, str(tmp_path / "wrong.npz"))
    assert code == 1
    assert "q2/u: 1 of 1536 differ, the first at (1, 2, 0, 0, 0)" in lines
    assert "q1/s: shape (2, 4, 4, 8, 8), golden (4, 4, 4, 8, 8)" in lines
    assert "nothing: there is no golden array of this name" in lines
    assert "not given: q1/i" in lines
    np.savez(tmp_path / "empty.npz", **{"input/image": np.zeros(1)})
    assert ended(folder, str(tmp_path / "empty.npz"))[0] == 2


def test_a_changed_operation_list_does_not_pass_the_scripts_own_check(tmp_path):
    folder = tmp_path / "bundle"
    bundle, _ = written(chain(), folder, steps=4)
    bundle["number_format"]["rounding"] = "floor"
    (folder / "bundle.json").write_text(json.dumps(bundle))
    code, lines = ended(folder)
    assert (code, "differ" in lines) == (1, True)


def test_what_cannot_be_handed_off_leaves_nothing_behind(tmp_path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    inputs = random_inputs(chain(), samples=1)
    for folder, message in ((tmp_path / "taken", "no empty folder"), (tmp_path / "a" / "b", "does not exist")):
        with pytest.raises(InputError, match=message):
            write_hand_off(chain(), folder, inputs)
    (tmp_path / "empty").mkdir()
    write_hand_off(chain(), tmp_path / "empty", inputs)
    graph = Combination(network="mlp", steps=4, reset_mode=ResetMode.SUBTRACT, rounding=RoundingMode.FLOOR).build()
    longer = QuantizedGraph(nodes=graph.nodes, edges=graph.edges, number_format=graph.number_format, steps=400)
    with pytest.raises(FormatError, match="may reach"):
        write_hand_off(longer, tmp_path / "unproven", random_inputs(longer, samples=1, steps=1))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "taken"]
