"""No line of the packages unpickles, evaluates text, starts a shell, or reads a file by a function that would."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("qif_deploy", "export/qif_export", "hardware/qif_hardware")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "shelve", "marshal", "joblib", "yaml", "jsonpickle"}
"""Each of them makes objects, or runs code, out of a file."""

NAMES = {"eval", "exec", "compile", "__import__"}
CALLS = {
    "os.system": "starts a shell", "os.popen": "starts a shell", "subprocess.getoutput": "starts a shell",
    "subprocess.getstatusoutput": "starts a shell", "tempfile.mktemp": "names a file that another may make first",
    "onnx.load": "follows a model's external data anywhere; use qif_export.onnx.load", "onnx.load_model": "as onnx.load",
    "nir.read": "reads without limits; use qif_export.nir.hdf5", "tomllib.load": "use qif_deploy.reading.toml_text",
    "torch.hub.load": "runs code from elsewhere", "builtins.eval": "evaluates text", "builtins.exec": "evaluates text",
}  # fmt: skip
TEXTS = {"tomllib.loads": "qif_deploy/reading/toml_text.py"}
"""Parsers that have one home."""


def dangers(source: str, file: str = "x.py") -> Iterator[str]:
    """Say what is wrong, line by line."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                for name in names:
                    if name.name.partition(".")[0] in MODULES:
                        yield f"{file}:{node.lineno}: imports {name.name}"
            case ast.ImportFrom(module=str(module)) if module.partition(".")[0] in MODULES:
                yield f"{file}:{node.lineno}: imports from {module}"
            case ast.Call(func=ast.Name(id=name)) if name in NAMES:
                yield f"{file}:{node.lineno}: calls {name}"
            case ast.Call(func=ast.Attribute()):
                yield from (f"{file}:{node.lineno}: {line}" for line in _call(node, file))
            case _:
                pass


def _call(node: ast.Call, file: str) -> Iterator[str]:
    name = ast.unparse(node.func)
    given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
    if name in CALLS:
        yield f"{name} {CALLS[name]}"
    if name in TEXTS and not file.endswith(TEXTS[name]):
        yield f"{name} belongs into {TEXTS[name]}"
    if name in ("np.load", "numpy.load") and given.get("allow_pickle", "False") != "False":
        yield f"{name} may unpickle"
    if name == "torch.load" and given.get("weights_only") != "True":
        yield f"{name} unpickles"
    if given.get("shell", "False") != "False":
        yield f"{name} starts a shell"
    if name.startswith("subprocess.") and node.args and not isinstance(node.args[0], ast.List | ast.Name):
        yield f"{name} is given no list of words"


def test_the_packages_hold_nothing_of_the_kind() -> None:
    assert len(FILES) > 200
    found = [line for path in FILES for line in dangers(path.read_text(encoding="utf-8"), str(path.relative_to(ROOT)))]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "import pickle", "import joblib", "from pickle import loads", "import yaml",
        "eval('1')", "exec(text)", "compile(text, 'x', 'exec')",
        "torch.load(path)", "torch.load(path, weights_only=False)", "np.load(path, allow_pickle=True)", "np.load(path, allow_pickle=flag)",
        "os.system(text)",
        "subprocess.run('ls', check=True)", "subprocess.run(f'ls {x}')", "subprocess.run(words, shell=True)", "tempfile.mktemp()",
        "onnx.load(path)", "tomllib.loads(text)",
    ],
)  # fmt: skip
def test_each_would_be_found(line: str) -> None:
    assert list(dangers(line))


@pytest.mark.parametrize(
    "line", ["network.eval()", "np.load(path, allow_pickle=False)", "torch.load(path, weights_only=True)", "subprocess.run([a, b])"]
)
def test_what_is_harmless_is_not(line: str) -> None:
    assert not list(dangers(line))
