"""Operations counted by walking every spike through the network: nested loops in plain Python, and nothing of the project.

Networks and signals as ``network_oracle`` has them; a place of a map is ``(channel, row, column)``, of a vector ``(feature,)``.
"""

from __future__ import annotations

from typing import Any

from tests.numerics import network_oracle

Node = dict[str, Any]
Place = tuple[int, ...]
Target = tuple[str, Place]


def count(nodes: list[Node], inputs: dict[str, list[Any]], graded: set[str]) -> dict[str, dict[str, int]]:
    """Return population or readout -> its counts, for one sample.

    Args:
        nodes: the network.
        inputs: input name -> one signal per step.
        graded: inputs whose values are codes and no spikes.
    """
    traces, _ = network_oracle.run(nodes, inputs)
    walk = Walk(nodes, inputs)
    found: dict[str, dict[str, int]] = {}
    for node in nodes:
        if node["kind"] not in ("population", "readout"):
            continue
        found[node["name"]] = {"synops": 0, "macs": 0, "spikes": 0, "driven": 0, "updates": 0, "multiplies": 0, "quadratic_multiplies": 0}
        if node["kind"] == "population":
            found[node["name"]] |= _neuron_counts(node, traces[node["name"]])
    for name, signal in inputs.items():
        for frame in signal:
            for place, value in walk.places(frame):
                for target, _ in walk.reached(name, place):
                    if name in graded:
                        found[target]["macs"] += 1
                    else:
                        found[target]["synops"] += value
    for name, trace in traces.items():
        for flat in trace["s"]:
            for number, spike in enumerate(flat):
                if spike:
                    for target, _ in walk.reached(name, walk.place(name, number)):
                        found[target]["synops"] += 1
    return found


def _neuron_counts(node: Node, trace: dict[str, list[Any]]) -> dict[str, int]:
    counts = {"spikes": 0, "driven": 0, "updates": 0, "multiplies": 0, "quadratic_multiplies": 0}
    for currents, spikes in zip(trace["i"], trace["s"], strict=True):
        per_channel = len(currents) // len(node["constants"])
        for number, (current, spike) in enumerate(zip(currents, spikes, strict=True)):
            constants = node["constants"][number // per_channel]
            counts["updates"] += 1
            counts["spikes"] += spike
            counts["driven"] += current != constants["bias"]
            counts["quadratic_multiplies"] += constants["c2m"] != 0
            counts["multiplies"] += 2 if constants["c2m"] else int(constants["c1m"] != 0)
    return counts


class Walk:
    """Where a spike goes. ``reached``: population or readout, and neuron of it, behind every synapse that it meets, once per synapse."""

    def __init__(self, nodes: list[Node], inputs: dict[str, list[Any]]) -> None:
        self.nodes = {node["name"]: node for node in nodes}
        self.children = {name: [n for n in nodes if name in n["sources"]] for name in self.nodes}
        self.shapes: dict[str, Place] = {}
        self.known: dict[tuple[str, Place], list[Target]] = {}
        for node in nodes:
            self.shapes[node["name"]] = self._shape(node, inputs)

    def _shape(self, node: Node, inputs: dict[str, list[Any]]) -> Place:
        if node["kind"] == "input":
            frame = inputs[node["name"]][0]
            return (len(frame), len(frame[0]), len(frame[0][0])) if isinstance(frame[0], list) else (len(frame),)
        before = self.shapes[node["sources"][0]]
        match node["kind"]:
            case "dense":
                return (len(node["weight"]),)
            case "flatten":
                return (before[0] * before[1] * before[2],)
            case "conv":
                kernel = (len(node["weight"][0][0]), len(node["weight"][0][0][0]))
                size = (
                    (n + 2 * p - d * (k - 1) - 1) // s + 1
                    for n, k, s, p, d in zip(before[1:], kernel, node["stride"], node["padding"], node["dilation"], strict=True)
                )
                return (len(node["weight"]), *size)
            case "pool":
                return (before[0], *((n - k) // s + 1 for n, k, s in zip(before[1:], node["kernel"], node["stride"], strict=True)))
            case _:
                return before

    def places(self, frame: Any) -> list[tuple[Place, int]]:
        """Every place of a signal with its value."""
        if not isinstance(frame[0], list):
            return [((n,), value) for n, value in enumerate(frame)]
        return [((c, y, x), v) for c, plane in enumerate(frame) for y, line in enumerate(plane) for x, v in enumerate(line)]

    def place(self, name: str, number: int) -> Place:
        """Place of neuron ``number``, channel slowest."""
        shape = self.shapes[name]
        if len(shape) == 1:
            return (number,)
        return (number // (shape[1] * shape[2]), number // shape[2] % shape[1], number % shape[2])

    def reached(self, name: str, place: Place) -> list[Target]:
        """One entry per synapse."""
        if (name, place) not in self.known:
            self.known[name, place] = [target for child in self.children[name] for target in self.through(child, name, place)]
        return self.known[name, place]

    def through(self, node: Node, source: str, place: Place) -> list[Target]:
        shape = self.shapes[node["name"]]
        match node["kind"]:
            case "dense":
                return [(target["name"], (n,)) for target in self.children[node["name"]] for n in range(shape[0])]
            case "flatten":
                before = self.shapes[source]
                return self.reached(node["name"], ((place[0] * before[1] + place[1]) * before[2] + place[2],))
            case "pool":
                (kh, kw), (sh, sw) = node["kernel"], node["stride"]
                windows = [
                    (y, x)
                    for y in range(shape[1])
                    for x in range(shape[2])
                    if y * sh <= place[1] < y * sh + kh and x * sw <= place[2] < x * sw + kw
                ]
                return [target for y, x in windows for target in self.reached(node["name"], (place[0], y, x))]
            case "conv":
                return [(target["name"], out) for target in self.children[node["name"]] for out in self._readers(node, shape, place)]
            case _:
                raise AssertionError(node["kind"])

    def _readers(self, node: Node, shape: Place, place: Place) -> list[Place]:
        """Outputs that read the place, once per tap."""
        (sh, sw), (ph, pw), (dh, dw) = node["stride"], node["padding"], node["dilation"]
        met: list[Place] = []
        for c, kernel in enumerate(node["weight"]):
            first = c // (len(node["weight"]) // node["groups"]) * len(kernel)
            if not first <= place[0] < first + len(kernel):
                continue
            for y in range(shape[1]):
                for x in range(shape[2]):
                    for a in range(len(kernel[0])):
                        for b in range(len(kernel[0][0])):
                            if y * sh - ph + a * dh == place[1] and x * sw - pw + b * dw == place[2]:
                                met.append((c, y, x))
        return met
