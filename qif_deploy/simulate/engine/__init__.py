"""The batched engine: exact sums on the narrowest units that the proof allows, and one fused pass per population over all steps."""
