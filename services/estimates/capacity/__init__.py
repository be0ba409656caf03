"""How many users a machine serves: arithmetic on memory bandwidth, arithmetic speed and memory, and nothing else."""
