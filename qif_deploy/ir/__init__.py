"""The two stages of a network: Graph (float) and QuantizedGraph (integers), and what is legal in each."""
