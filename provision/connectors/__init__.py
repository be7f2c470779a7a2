"""The only floor that talks: SSH, HTTP, AWS, and the clock."""
