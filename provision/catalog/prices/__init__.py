"""What things cost: dated prices, each with its source. Unknown is None, never 0."""
