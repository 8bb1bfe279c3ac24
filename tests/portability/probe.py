"""One runtime on the files of a folder; needs NumPy and that runtime, nothing of the project.

python probe.py RUNTIME FOLDER     RUNTIME is onnxruntime, openvino or reference; prints one JSON object
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np

PACKAGES = {"onnxruntime": "onnxruntime", "openvino": "openvino", "reference": "onnx"}


def run_onnxruntime(path, inputs):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs)))  # noqa: B905  # old Pythons are part of the matrix


def run_openvino(path, inputs):
    import openvino

    compiled = openvino.Core().compile_model(str(path), "CPU")
    found = compiled(inputs)
    return {output.get_any_name(): found[output] for output in compiled.outputs}


def run_reference(path, inputs):
    from onnx.reference import ReferenceEvaluator

    session = ReferenceEvaluator(str(path))
    return dict(zip(session.output_names, session.run(None, inputs)))  # noqa: B905  # as above


def outcome_of(run, path, inline):
    """What became of one case: arrays that differ, the share of equal spikes, or why it did not run."""
    with np.load(path.with_suffix(".npz")) as arrays:
        inputs = {key[3:]: arrays[key] for key in arrays.files if key.startswith("in/")}
        expected = {key[4:]: arrays[key] for key in arrays.files if key.startswith("out/")}
    file = path.with_suffix(".inline.onnx") if inline else path
    try:
        found = run(file, inputs)
    except Exception as error:  # a matrix lists what fails, whatever the runtime calls it
        return {"failed": (str(error).strip().splitlines() or [type(error).__name__])[-1][:160]}
    wrong = [name for name, values in expected.items() if name not in found or not np.array_equal(found[name], values)]
    spikes = [name for name in expected if name.endswith("/s")]
    equal = float(np.mean([np.mean(np.asarray(found[name]) == expected[name]) for name in spikes]))
    return {"arrays": len(expected), "wrong": len(wrong), "spikes_equal": equal}


def main(runtime, folder):
    run = {"onnxruntime": run_onnxruntime, "openvino": run_openvino, "reference": run_reference}[runtime]
    cases = sorted(path for path in Path(folder).glob("*.onnx") if not path.name.endswith(".inline.onnx"))
    found = {path.stem: outcome_of(run, path, runtime == "openvino") for path in cases}
    return {"runtime": runtime, "version": version(PACKAGES[runtime]), "python": sys.version.split()[0], "cases": found}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2])))
