"""A whole network in plain Python integers: nested loops on top of ``oracle``, and nothing of the project.

A network is a list of nodes in topological order, each a dictionary with ``name``, ``kind`` and ``sources``; a synapse has nested lists of
weights and its geometry, a population one dictionary of constants per channel, as ``oracle.step`` reads them. Signals are
nested lists: ``[feature]`` or ``[channel][row][column]``.
"""

from __future__ import annotations

from typing import Any

from tests.numerics import oracle

Node = dict[str, Any]


def run(nodes: list[Node], inputs: dict[str, list[Any]]) -> tuple[dict[str, dict[str, list[Any]]], list[int]]:
    """Return ``i``, ``u`` and ``s`` of every population, ``[step][neuron]`` flattened, and the readout, for one sample.

    Args:
        nodes: the network.
        inputs: input name -> one signal per step.
    """
    steps = len(next(iter(inputs.values())))
    traces: dict[str, dict[str, list[Any]]] = {n["name"]: {"i": [], "u": [], "s": []} for n in nodes if n["kind"] == "population"}
    states: dict[str, Any] = {}
    readout: list[int] = []
    for t in range(steps):
        signals: dict[str, Any] = {}
        for node in nodes:
            feeding = [signals[name] for name in node["sources"]]
            if node["kind"] == "input":
                signals[node["name"]] = inputs[node["name"]][t]
            elif node["kind"] == "population":
                signals[node["name"]] = _population(node, feeding, states, traces[node["name"]])
            elif node["kind"] == "readout":
                now = [sum(branch[c] for branch in feeding) + bias for c, bias in enumerate(node["bias"])]
                summed = node["reduce"] == "sum" and t > 0
                readout = [a + b for a, b in zip(readout, now, strict=True)] if summed else now
            else:
                signals[node["name"]] = STATELESS[node["kind"]](node, feeding[0])
    return traces, readout


def _population(node: Node, feeding: list[Any], states: dict[str, Any], trace: dict[str, list[Any]]) -> Any:
    currents = [sum(values) for values in zip(*(list(_flat(branch)) for branch in feeding), strict=True)]
    per_channel = len(currents) // len(node["constants"])
    constants = [node["constants"][n // per_channel] for n in range(len(currents))]
    i = [current + k["bias"] for current, k in zip(currents, constants, strict=True)]
    r = states.get(node["name"], [k["r0"] for k in constants])
    steps = [oracle.step(*values) for values in zip(r, i, constants, strict=True)]
    states[node["name"]] = [after for _, _, after in steps]
    trace["i"].append(i)
    trace["u"].append([u for u, _, _ in steps])
    trace["s"].append([s for _, s, _ in steps])
    return _like(feeding[0], iter([s for _, s, _ in steps]))


def _dense(node: Node, x: list[int]) -> list[int]:
    return [oracle.branch_input([(row, x, node["shift"])], 0) for row in node["weight"]]


def _conv(node: Node, x: list[list[list[int]]]) -> list[list[list[int]]]:
    (sh, sw), (ph, pw), (dh, dw) = node["stride"], node["padding"], node["dilation"]
    weight = node["weight"]
    height, width, kh, kw = len(x[0]), len(x[0][0]), len(weight[0][0]), len(weight[0][0][0])
    rows = (height + 2 * ph - dh * (kh - 1) - 1) // sh + 1
    columns = (width + 2 * pw - dw * (kw - 1) - 1) // sw + 1
    out = []
    for c, kernel in enumerate(weight):
        first = c // (len(weight) // node["groups"]) * len(kernel)
        plane = []
        for row in range(rows):
            line = []
            for column in range(columns):
                acc = 0
                for n, taps in enumerate(kernel):
                    for a in range(kh):
                        for b in range(kw):
                            y, z = row * sh - ph + a * dh, column * sw - pw + b * dw
                            if 0 <= y < height and 0 <= z < width:
                                acc += taps[a][b] * x[first + n][y][z]
                line.append(acc * 2 ** node["shift"])
            plane.append(line)
        out.append(plane)
    return out


def _pool(node: Node, x: list[list[list[int]]]) -> list[list[list[int]]]:
    (kh, kw), (sh, sw) = node["kernel"], node["stride"]
    return [
        [
            [sum(plane[row + a][column + b] for a in range(kh) for b in range(kw)) for column in range(0, len(plane[0]) - kw + 1, sw)]
            for row in range(0, len(plane) - kh + 1, sh)
        ]
        for plane in x
    ]


def _flatten(_node: Node, x: Any) -> list[int]:
    return list(_flat(x))


STATELESS = {"dense": _dense, "conv": _conv, "pool": _pool, "flatten": _flatten}


def _flat(x: Any) -> Any:
    for value in x:
        yield from _flat(value) if isinstance(value, list) else (value,)


def _like(shape: Any, values: Any) -> Any:
    return [_like(part, values) if isinstance(part, list) else next(values) for part in shape]
