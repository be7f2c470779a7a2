"""Public fakes of the four doors. Strict: a call that nobody prepared is an error."""
