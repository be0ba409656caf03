"""Who makes the agent's decisions: calibrated scores and plain rules, or the model under a schema."""
