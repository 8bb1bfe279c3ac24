"""The neuron: float parameters and step, integer constants and step, moments."""
