"""Strict public fakes for the four Protocols: an unprepared call is an error."""
