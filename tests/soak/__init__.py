"""The long proofs: `make soak`, under an hour on a machine that has nothing else to do."""
