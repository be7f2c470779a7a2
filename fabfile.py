"""Where `fab` looks for tasks; they live in playbooks/."""

from playbooks import ns  # noqa: F401  # fab reads the name
