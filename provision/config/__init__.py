"""What a person writes: one environment, parsed into frozen values."""
