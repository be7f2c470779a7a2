"""One host with two engines, which are changed one after the other behind its own front."""
