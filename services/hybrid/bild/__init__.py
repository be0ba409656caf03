"""Big Little decoding: the little model drafts, the big one verifies."""
