"""Routers that learn from outcomes: what they are trained on, how they decide, how good they are."""
