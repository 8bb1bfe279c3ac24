"""Lava processes of a QIF network. Alone in this folder: Lava's compiler executes every module beside a Process class."""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
