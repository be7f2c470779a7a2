"""From an environment to the text of the files that a host runs."""
