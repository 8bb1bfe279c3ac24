"""The reference evaluator as a backend; that it equals ours is shown by the conformance suite."""

from __future__ import annotations

from pathlib import Path

import pytest

from qif_deploy.api.backends import Backend, Execution, execute
from qif_deploy.errors import BackendError, InputError, UnsupportedError
from qif_deploy.simulate.compare import compare_traces
from qif_deploy.simulate.reference import run_reference
from qif_export.onnx.options import Form, OnnxOptions
from qif_export.onnx.reference_run import run_onnx_reference
from qif_export.onnx.write import write_onnx
from tests.networks import random_inputs, residual


def test_an_exported_file_is_run_as_it_is(tmp_path: Path) -> None:
    graph = residual()
    inputs, path = random_inputs(graph, samples=3), tmp_path / "net.onnx"
    write_onnx(graph, path)
    found = execute(Backend.ONNX_REFERENCE, graph, inputs, how=Execution(), exported=path)
    assert compare_traces(run_reference(graph, inputs), found).first_mismatch is None


def test_a_file_of_one_step_is_refused(tmp_path: Path) -> None:
    graph = residual()
    write_onnx(graph, tmp_path / "step.onnx", OnnxOptions(form=Form.STEP))
    with pytest.raises(UnsupportedError, match="holds one step; the reference evaluator runs files of the form 'sequence'"):
        run_onnx_reference(tmp_path / "step.onnx", random_inputs(graph))


def test_inputs_that_do_not_fit_and_an_evaluator_that_fails_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = residual()
    write_onnx(graph, tmp_path / "net.onnx")
    with pytest.raises(InputError, match="shape"):
        run_onnx_reference(tmp_path / "net.onnx", {name: codes[..., :1] for name, codes in random_inputs(graph).items()})

    def failing(*_: object) -> None:
        raise IndexError("operator X")

    monkeypatch.setattr("onnx.reference.ReferenceEvaluator.run", failing)
    with pytest.raises(BackendError, match=r"onnx's reference evaluator failed while running \(operator X\)"):
        run_onnx_reference(tmp_path / "net.onnx", random_inputs(graph))
