"""The timeout chain, live: each rule broken on purpose, and kept."""
