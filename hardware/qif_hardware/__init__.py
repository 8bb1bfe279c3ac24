"""Targets: their profiles, and the Lava process models. One way only: this package reads the core, never the reverse."""
