"""Decide, set up, deploy and keep up: everything of llm-fleet that is not Pulumi and not a task."""
