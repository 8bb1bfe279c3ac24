"""The version, from the installed distribution."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version

try:
    __version__ = installed_version("qif-deploy")
except PackageNotFoundError:  # a source tree on the path without an installation
    __version__ = "0+unknown"
