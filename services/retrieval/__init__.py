"""Retrieval: keeps points (vector, text, metadata) durably and finds the nearest, by meaning, by words, or by both."""
