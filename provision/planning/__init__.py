"""The heart: values in, Plans and decisions out. No clock, no network, no files."""
