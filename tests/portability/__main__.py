"""The portability matrix: which runtime computes which profile exactly, with its default settings.

    python -m tests.portability                                  this environment: onnxruntime and onnx's reference evaluator
    python -m tests.portability --runtime openvino=PYTHON ...    also the runtimes of other interpreters
    python -m tests.portability ... --write docs/onnx.md         put the table between the marks of that page

Exits 1 when a runtime is not as REASONS says: exact where nothing is listed, and not exact where something is.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.portability.cases import COLUMNS, write_cases

HERE = Path(__file__).parent
NAMES = {"onnxruntime": "onnxruntime", "reference": "onnx.reference", "openvino": "OpenVINO (inlined)"}
MARKS = re.compile(r"(<!-- matrix: begin -->\n).*?(<!-- matrix: end -->)", re.DOTALL)
REASONS = {
    ("openvino", "exact_int64"): "int64 is narrowed to int32 without a word, and products pass 32 bits",
    ("openvino", "float_float32"): "float convolutions run in bfloat16 on this processor; exact with INFERENCE_PRECISION_HINT = f32",
    ("openvino", "float_float64"): "float64 is narrowed to float32 without a word",
    ("reference", "qdq"): "its DequantizeLinear begins with operator set 19",
}
"""What is not exact, and why; of ``qdq``, an approximation everywhere, only where it does not run."""


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runtime", action="append", default=[], metavar="KIND=PYTHON", help="onnxruntime, openvino or reference")
    parser.add_argument("--write", type=Path, help="page that holds the marks of the table")
    chosen = parser.parse_args(arguments)
    runtimes = [("onnxruntime", sys.executable), ("reference", sys.executable), *(tuple(one.split("=", 1)) for one in chosen.runtime)]
    with tempfile.TemporaryDirectory() as folder:
        write_cases(Path(folder))
        found = [probed(kind, python, folder) for kind, python in runtimes]
    text = "\n".join([f"{processor()}, {platform.system()} {platform.machine()}", "", *table(found)]) + "\n"
    print(text)
    if chosen.write is not None:
        page = chosen.write.read_text()
        chosen.write.write_text(MARKS.sub(lambda marks: marks[1] + text + marks[2], page))
    surprises = [line for one in found for line in unexpected(one)]
    if surprises:
        print("\n".join(surprises), file=sys.stderr)
    return 1 if surprises else 0


def probed(kind: str, python: str, folder: str) -> dict[str, Any]:
    done = subprocess.run([python, str(HERE / "probe.py"), kind, folder], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{kind} of {python} did not run:\n{done.stderr}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def outcomes(one: Mapping[str, Any], column: str) -> list[Mapping[str, Any]]:
    return [outcome for case, outcome in one["cases"].items() if case.startswith(f"{column}.")]


def is_exact(one: Mapping[str, Any], column: str) -> bool:
    return all(outcome.get("wrong", 1) == 0 for outcome in outcomes(one, column))


def cell(one: Mapping[str, Any], column: str) -> str:
    found = outcomes(one, column)
    failed = [outcome for outcome in found if "failed" in outcome]
    if failed:
        return f"does not run ({len(failed)} of {len(found)})"
    if column == "qdq":
        return f"{min(outcome['spikes_equal'] for outcome in found):.2%} of the spikes, at least"
    if is_exact(one, column):
        return f"exact, {len(found)} of {len(found)}"
    return f"differs, {sum(outcome['wrong'] > 0 for outcome in found)} of {len(found)}"


def table(found: Sequence[Mapping[str, Any]]) -> list[str]:
    heads = ["runtime", "Python", *(f"{profile.value}, {dtype}" for profile, dtype, _ in COLUMNS.values())]
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    for one in found:
        cells = [f"{NAMES[one['runtime']]} {one['version']}", one["python"], *(cell(one, column) for column in COLUMNS)]
        lines.append("| " + " | ".join(cells) + " |")
    listed = {(one["runtime"], column) for one in found for column in COLUMNS} & set(REASONS)
    return [*lines, "", *(f"* {NAMES[kind]}, {column.replace('_', ', ')}: {REASONS[kind, column]}." for kind, column in sorted(listed))]


def unexpected(one: Mapping[str, Any]) -> list[str]:
    found = []
    for column in COLUMNS:
        listed = (one["runtime"], column) in REASONS
        holds = all("failed" not in outcome for outcome in outcomes(one, column)) if column == "qdq" else is_exact(one, column)
        if holds is listed:
            found.append(f"{one['runtime']} {one['version']}, {column}: {cell(one, column)}, which is not what is expected")
    return found


def processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
