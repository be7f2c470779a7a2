"""A stand-in for vLLM: the same ports, signals, answers and numbers, and no model."""

__version__ = "0.32.0+quick"
