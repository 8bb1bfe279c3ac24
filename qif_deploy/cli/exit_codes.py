"""What a verb's exit code says: done and holds; ran, and a check does not hold; bad input or usage; interrupted."""

HOLDS, BROKEN, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
