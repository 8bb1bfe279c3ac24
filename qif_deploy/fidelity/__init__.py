"""Float against integer: where they part, why, and how sure that is."""
