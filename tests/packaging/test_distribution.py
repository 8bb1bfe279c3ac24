"""What is in the wheel and the sdist, and that the same commit gives the same bytes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import qif_deploy
from tests.packaging.conftest import ROOT, Built, build, copy_of_the_tree, tracked

PACKAGES = {"qif_deploy/": "qif_deploy/", "hardware/qif_hardware/": "qif_hardware/", "export/qif_export/": "qif_export/"}
VERSION = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[1]  # type: ignore[index]
INFO = f"qif_deploy-{VERSION}.dist-info/"


def test_the_wheel_holds_the_tracked_files_of_the_three_packages_and_nothing_else(built: Built) -> None:
    wanted = {to + name.removeprefix(at) for name in tracked() for at, to in PACKAGES.items() if name.startswith(at)}
    wanted |= {INFO + name for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")}
    with zipfile.ZipFile(built.wheel) as wheel:
        assert sorted(wheel.namelist()) == sorted(wanted)
    assert {f"{package}/py.typed" for package in ("qif_deploy", "qif_hardware", "qif_export")} <= wanted
    assert len([name for name in wanted if name.endswith(".toml")]) > 20


def test_the_sdist_holds_the_tracked_files_and_nothing_else(built: Built) -> None:
    top = f"qif_deploy-{VERSION}/"
    with tarfile.open(built.sdist) as sdist:
        assert sorted(sdist.getnames()) == sorted(top + name for name in (*tracked(), "PKG-INFO"))


def test_two_builds_are_the_same_bytes(built: Built, tmp_path: Path) -> None:
    """Another folder, later times of the files and another umask."""
    tree = copy_of_the_tree(tmp_path / "elsewhere")
    for path in tree.rglob("*"):
        os.utime(path, (2_000_000_000, 2_000_000_000))
    again = build(tree, tmp_path / "dist", umask=0o077)
    assert again.wheel.read_bytes() == built.wheel.read_bytes()
    assert again.sdist.read_bytes() == built.sdist.read_bytes()


def test_the_sdist_builds_the_same_wheel(built: Built, tmp_path: Path) -> None:
    with tarfile.open(built.sdist) as sdist:
        sdist.extractall(tmp_path, filter="data")
    again = build(tmp_path / f"qif_deploy-{VERSION}", tmp_path / "dist")
    assert again.wheel.read_bytes() == built.wheel.read_bytes()


def test_the_metadata(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as wheel:
        said = HeaderParser().parsestr(wheel.read(f"{INFO}METADATA").decode())
        commands = wheel.read(f"{INFO}entry_points.txt").decode()
    assert (said["Name"], said["Version"], said["License-Expression"]) == ("qif-deploy", VERSION, "Apache-2.0")
    assert set(said["Requires-Python"].split(",")) == {">=3.10", "<3.14"}
    assert {"engine", "train", "nir", "onnx", "lava", "data", "report", "map", "all"} <= set(said.get_all("Provides-Extra"))
    core = [line.split(">")[0] for line in said.get_all("Requires-Dist") if "extra ==" not in line]
    assert core == ["numpy", "rich", "tomli", "typer", "typing-extensions"]
    assert "://" not in "".join(said.get_all("Requires-Dist"))
    assert "qif-deploy = qif_deploy.cli:main" in commands


def test_the_version_has_one_home() -> None:
    assert qif_deploy.__version__ == VERSION, "the installation is older than pyproject.toml: install again"
    written = [
        name for name in tracked() if name.endswith(".py") and re.search(rf"version\w*\s*=\s*['\"]{VERSION}", (ROOT / name).read_text())
    ]
    assert written == []


def test_a_wheel_runs_without_the_checkout(built: Built, tmp_path: Path) -> None:
    """The core's own data files are found in the archive's place, here a folder beside the installed dependencies."""
    with zipfile.ZipFile(built.wheel) as wheel:
        wheel.extractall(tmp_path / "site")
    script = (
        "import sys; sys.path.insert(0, 'site'); import qif_deploy, qif_hardware\n"
        "print(qif_deploy.__file__, qif_hardware.__file__)\n"
        "from qif_deploy.cli import main; sys.argv = ['qif-deploy', 'targets', '--json']; main()"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[0].count(str(tmp_path / "site")) == 2
    assert '"loihi2"' in done.stdout
