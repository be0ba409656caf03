"""The `ledge` command: the local run of the suite, and everything a person asks of it from a terminal."""
