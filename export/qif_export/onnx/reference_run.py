"""Run an exported ONNX file in the reference evaluator of the onnx package: slow, and written from the operators' definitions.

onnxruntime computes the same operators by kernels of its own, so equal results are two independent readings of the standard.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from qif_deploy.errors import BackendError, UnsupportedError
from qif_deploy.shapes import InputCodes
from qif_deploy.simulate.inputs import prepare_inputs
from qif_deploy.simulate.trace import Trace
from qif_export.onnx.load import first_line, load_model
from qif_export.onnx.network_step import Dtypes
from qif_export.onnx.options import Form
from qif_export.onnx.read import interface_of
from qif_export.onnx.run import trace_of


def run_onnx_reference(path: Path, inputs: Mapping[str, InputCodes]) -> Trace:
    """Execute a file of ``write_onnx`` that holds the whole sequence.

    Args:
        path: the file.
        inputs: name -> integer codes ``(time, batch, ...)``, as ``prepare_inputs`` takes them.

    Raises:
        InputError: the file is missing, changed, or not an exported network, or the inputs do not fit it.
        UnsupportedError: a file of one step.
        BackendError: the evaluator fails while running.
    """
    from onnx.reference import ReferenceEvaluator  # half a second of operators that only this function needs

    interface = interface_of(load_model(path))
    if interface.options.form is not Form.SEQUENCE:
        raise UnsupportedError(f"ONNX file {str(path)!r}: it holds one step; the reference evaluator runs files of the form 'sequence'")
    codes = prepare_inputs(interface, inputs, steps=None)
    dtype = Dtypes.of(interface.options.profile, interface.width).input
    try:
        evaluator = ReferenceEvaluator(str(path))
        found = evaluator.run(None, {name: values.astype(dtype) for name, values in codes.items()})
    except Exception as error:  # NumPy's and the evaluator's own types, for the same cause
        raise BackendError(f"ONNX file {str(path)!r}: onnx's reference evaluator failed while running ({first_line(error)})") from error
    return trace_of(dict(zip(evaluator.output_names, found, strict=True)), codes, interface.recorded)


__all__ = ["run_onnx_reference"]
