"""Guesses from a text's words and form alone, within a millisecond: how long an answer, how hard a question."""
