"""Lava processes of a QIF network. Alone in this folder: Lava's compiler executes every module beside a Process class."""
