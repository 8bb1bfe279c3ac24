"""Figures of neurons. matplotlib enters here and nowhere else."""
