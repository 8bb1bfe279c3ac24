"""The fused step of a population: all time steps forward, and all backward, in one kernel each. Triton is used only here."""
