"""Training QIF networks with torch; ``to_graph`` is the only exit."""
