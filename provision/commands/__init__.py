"""How things are spelled on a host. Pure: nothing here connects."""
