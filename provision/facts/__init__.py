"""What is there now: a question, and a pure parser of its answer."""
