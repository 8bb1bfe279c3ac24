"""Trained QIF spiking networks to neuromorphic targets, bit for bit.

One function per verb of the command line and one that reads a network, resolved on first use so that importing the package stays
light, and the types that they take and return. Everything else is private.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qif_deploy.analysis.check_network import CheckReport
    from qif_deploy.api.backends import Execution
    from qif_deploy.api.check import check
    from qif_deploy.api.convert import ConvertOutcome, convert
    from qif_deploy.api.demonstration import demo
    from qif_deploy.api.diff import Comparison, diff
    from qif_deploy.api.energy import energy
    from qif_deploy.api.export import OnnxChoices, export
    from qif_deploy.api.loading import ForeignModel, load_network
    from qif_deploy.api.map import map  # noqa: A004  # the verb's name
    from qif_deploy.api.quantization import PostTraining
    from qif_deploy.api.quantize import quantize
    from qif_deploy.api.report import FigureFormat, ReportOutcome, report
    from qif_deploy.api.results import DemoOutcome, ExportOutcome, QuantizeOutcome, RunOutcome, TargetsOutcome, TrainOutcome, VerifyOutcome
    from qif_deploy.api.run import run
    from qif_deploy.api.targets import targets
    from qif_deploy.api.train import train
    from qif_deploy.api.verify import verify
    from qif_deploy.errors import (
        BackendError,
        BackendTimeout,
        FormatError,
        GraphError,
        InputError,
        MissingDependencyError,
        QifError,
        UnsupportedError,
    )
    from qif_deploy.fidelity.report import Fidelity
    from qif_deploy.fixedpoint import NumberFormat, RoundingMode
    from qif_deploy.ir.graph import Graph, QuantizedGraph
    from qif_deploy.neuron.params import QIFParams, ResetMode
    from qif_deploy.passes.scale_method import ScaleMethod
    from qif_deploy.pricing.deployment import Deployment
    from qif_deploy.pricing.energy_report import EnergyReport
    from qif_deploy.pricing.estimate import EnergyEstimate
    from qif_deploy.simulate.trace import Trace
    from qif_deploy.training.qat.options import QatOptions
    from qif_deploy.training.run_options import Accelerator, RunOptions
    from qif_deploy.version import __version__
    from qif_hardware.mapping.mapping import NetworkMapping

_HOMES = {
    "Accelerator": "qif_deploy.training.run_options",
    "BackendError": "qif_deploy.errors",
    "BackendTimeout": "qif_deploy.errors",
    "CheckReport": "qif_deploy.analysis.check_network",
    "Comparison": "qif_deploy.api.diff",
    "ConvertOutcome": "qif_deploy.api.convert",
    "DemoOutcome": "qif_deploy.api.results",
    "Deployment": "qif_deploy.pricing.deployment",
    "EnergyEstimate": "qif_deploy.pricing.estimate",
    "EnergyReport": "qif_deploy.pricing.energy_report",
    "Execution": "qif_deploy.api.backends",
    "ExportOutcome": "qif_deploy.api.results",
    "Fidelity": "qif_deploy.fidelity.report",
    "FigureFormat": "qif_deploy.api.report",
    "ForeignModel": "qif_deploy.api.loading",
    "FormatError": "qif_deploy.errors",
    "Graph": "qif_deploy.ir.graph",
    "GraphError": "qif_deploy.errors",
    "InputError": "qif_deploy.errors",
    "MissingDependencyError": "qif_deploy.errors",
    "NetworkMapping": "qif_hardware.mapping.mapping",
    "NumberFormat": "qif_deploy.fixedpoint",
    "OnnxChoices": "qif_deploy.api.export",
    "PostTraining": "qif_deploy.api.quantization",
    "QIFParams": "qif_deploy.neuron.params",
    "QatOptions": "qif_deploy.training.qat.options",
    "QifError": "qif_deploy.errors",
    "QuantizeOutcome": "qif_deploy.api.results",
    "QuantizedGraph": "qif_deploy.ir.graph",
    "ReportOutcome": "qif_deploy.api.report",
    "ResetMode": "qif_deploy.neuron.params",
    "RoundingMode": "qif_deploy.fixedpoint",
    "RunOptions": "qif_deploy.training.run_options",
    "RunOutcome": "qif_deploy.api.results",
    "ScaleMethod": "qif_deploy.passes.scale_method",
    "TargetsOutcome": "qif_deploy.api.results",
    "Trace": "qif_deploy.simulate.trace",
    "TrainOutcome": "qif_deploy.api.results",
    "UnsupportedError": "qif_deploy.errors",
    "VerifyOutcome": "qif_deploy.api.results",
    "__version__": "qif_deploy.version",
    "check": "qif_deploy.api.check",
    "convert": "qif_deploy.api.convert",
    "demo": "qif_deploy.api.demonstration",
    "diff": "qif_deploy.api.diff",
    "energy": "qif_deploy.api.energy",
    "export": "qif_deploy.api.export",
    "load_network": "qif_deploy.api.loading",
    "map": "qif_deploy.api.map",
    "quantize": "qif_deploy.api.quantize",
    "report": "qif_deploy.api.report",
    "run": "qif_deploy.api.run",
    "targets": "qif_deploy.api.targets",
    "train": "qif_deploy.api.train",
    "verify": "qif_deploy.api.verify",
}

__all__ = [
    "Accelerator",
    "BackendError",
    "BackendTimeout",
    "CheckReport",
    "Comparison",
    "ConvertOutcome",
    "DemoOutcome",
    "Deployment",
    "EnergyEstimate",
    "EnergyReport",
    "Execution",
    "ExportOutcome",
    "Fidelity",
    "FigureFormat",
    "ForeignModel",
    "FormatError",
    "Graph",
    "GraphError",
    "InputError",
    "MissingDependencyError",
    "NetworkMapping",
    "NumberFormat",
    "OnnxChoices",
    "PostTraining",
    "QIFParams",
    "QatOptions",
    "QifError",
    "QuantizeOutcome",
    "QuantizedGraph",
    "ReportOutcome",
    "ResetMode",
    "RoundingMode",
    "RunOptions",
    "RunOutcome",
    "ScaleMethod",
    "TargetsOutcome",
    "Trace",
    "TrainOutcome",
    "UnsupportedError",
    "VerifyOutcome",
    "__version__",
    "check",
    "convert",
    "demo",
    "diff",
    "energy",
    "export",
    "load_network",
    "map",
    "quantize",
    "report",
    "run",
    "targets",
    "train",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'qif_deploy' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
