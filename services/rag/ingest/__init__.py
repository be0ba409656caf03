"""Documents in: received, read, cut into passages, encoded and stored."""
