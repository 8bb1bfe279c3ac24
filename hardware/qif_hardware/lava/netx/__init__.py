"""lava-dl's netx with QIF neurons. Alone in this folder: Lava's compiler executes every module beside a Process class."""
