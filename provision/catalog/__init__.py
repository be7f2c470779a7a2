"""What there is: instance types, GPUs, models. Data files and look-ups."""
