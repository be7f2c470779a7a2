"""Ten thousand requests: `make soak`, on a machine that has nothing else to do."""
