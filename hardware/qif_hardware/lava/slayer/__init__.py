"""Training with lava-dl's SLAYER: QIF neuron, blocks, and the exit into an integer network.

Importing this package imports neither torch nor lava-dl; its modules ``neuron``, ``blocks``, ``timing`` and ``to_graph``
do. No Process class lives here: Lava's compiler executes every file beside one.
"""
