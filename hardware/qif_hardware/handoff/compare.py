"""Compare what hardware returns with the golden vectors of this bundle. Needs Python 3.8 or newer and NumPy, nothing else.

    python compare.py RETURNED.npz      every array that it holds, against vectors.npz, element by element
    python compare.py                   check the bundle: run the operation lists on the golden inputs of every population

RETURNED.npz holds arrays named as in vectors.npz (POPULATION/i, POPULATION/u, POPULATION/s, readout), axes
(time, sample, channel, height, width), any integer type. A population lives DEPTH steps late on Loihi (bundle.json): shift first.
Ends with 0 when all is equal, 1 when something differs, 2 when there is nothing to compare.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent


def shift_right(a: Any, n: Any, rounding: str) -> Any:
    """Divide by 2^n; toward zero, to the floor, or to the nearest with halves away from zero."""
    magnitude, power = np.abs(a), np.left_shift(1, n)
    if rounding == "toward_zero":
        return np.sign(a) * (magnitude // power)
    if rounding == "floor":
        return a // power
    return np.sign(a) * ((magnitude + power // 2) // power)


def apply(operator: str, a: list[Any], rounding: str) -> Any:
    """One operation on integers; see "operators" in bundle.json."""
    if operator == "ADD":
        return a[0] + a[1]
    if operator == "SUBTRACT":
        return a[0] - a[1]
    if operator == "MULTIPLY":
        return a[0] * a[1]
    if operator == "SHIFT_RIGHT":
        return shift_right(a[0], a[1], rounding)
    if operator == "SATURATE":
        return np.clip(a[0], -a[1], a[1])
    if operator == "AT_LEAST":
        return np.maximum(a[0], a[1])
    if operator == "REACHED":
        return (a[0] >= a[1]).astype(np.int64)
    if operator == "SELECT":
        return np.where(a[0] != 0, a[1], a[2])
    if operator == "COPY":
        return np.asarray(a[0])
    raise SystemExit(f"operator {operator!r} is unknown")


def run_population(operations: list[dict[str, Any]], constants: dict[str, Any], i: Any, rounding: str) -> tuple[Any, Any]:
    """Run one population's operation list over all steps of its golden input; return u and s."""
    layout = [-1] + [1] * (i.ndim - 3)
    names = {name: values.astype(np.int64).reshape(layout) for name, values in constants.items()}
    r = np.broadcast_to(names["r0"], i.shape[1:])
    us, ss = [], []
    for current in i.astype(np.int64):
        values = {**names, "i": current, "r": r}
        for step in operations:
            operands = [values[x] if isinstance(x, str) else np.int64(x) for x in step["operands"]]
            values[step["result"]] = apply(step["operator"], operands, rounding)
        r = values["r"]
        us.append(np.broadcast_to(values["u"], current.shape))
        ss.append(np.broadcast_to(values["s"], current.shape))
    return np.stack(us), np.stack(ss)


def self_check(bundle: dict[str, Any], golden: dict[str, Any]) -> dict[str, Any]:
    """Compute u and s of every population from its golden i by its operation list."""
    found: dict[str, Any] = {}
    with np.load(HERE / "constants.npz", allow_pickle=False) as file:
        codes = {name: file[name] for name in file.files}
    for name, population in bundle["populations"].items():
        own = {key[len(name) + 1 :]: values for key, values in codes.items() if key.rpartition("/")[0] == name}
        u, s = run_population(population["step"], own, golden[name + "/i"], bundle["number_format"]["rounding"])
        found[name + "/u"], found[name + "/s"] = u, s
    return found


def differences(golden: dict[str, Any], returned: dict[str, Any]) -> list[str]:
    """One line for every array that is unknown, of another shape, or unequal somewhere."""
    lines = []
    for name, values in returned.items():
        if name not in golden:
            lines.append(f"{name}: there is no golden array of this name")
        elif values.shape != golden[name].shape:
            lines.append(f"{name}: shape {values.shape}, golden {golden[name].shape}")
        elif not np.array_equal(values, golden[name]):
            wrong = np.argwhere(values != golden[name])
            at = tuple(int(n) for n in wrong[0])
            lines.append(f"{name}: {len(wrong)} of {values.size} differ, the first at {at}: {values[at]}, golden {golden[name][at]}")
    return lines


def main(arguments: list[str]) -> int:
    """Compare, print, return the exit code."""
    bundle = json.loads((HERE / "bundle.json").read_text(encoding="utf-8"))
    with np.load(HERE / "vectors.npz", allow_pickle=False) as file:
        golden = {name: file[name] for name in file.files if not name.startswith("input/")}
    if arguments:
        with np.load(arguments[0], allow_pickle=False) as file:
            returned = {name: file[name] for name in file.files if not name.startswith("input/")}
    else:
        returned = self_check(bundle, golden)
    if not returned:
        print("nothing to compare: the file holds none of", ", ".join(golden))
        return 2
    lines = differences(golden, returned)
    missing = [name for name in golden if name not in returned]
    how = "given" if arguments else "computed by the operation lists"
    print("\n".join(lines) or f"{len(returned)} of {len(golden)} arrays {how}, all equal")
    if missing and arguments:
        print("not given:", ", ".join(missing))
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
