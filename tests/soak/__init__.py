"""Ten thousand requests: `make soak`, 35 minutes on a machine that has nothing else to do."""
