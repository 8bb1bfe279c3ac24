"""The hand-off bundle for owners of Loihi 2: what a chip has to compute, in files that need nothing of this project."""
