"""The hybrid service: one language model out of a little one and a big one."""
