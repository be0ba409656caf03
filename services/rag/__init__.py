"""Answers questions from documents, with citations; loads no model and keeps nothing itself."""
