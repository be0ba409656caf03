"""Language models whose probabilities can be read: what verifies drafts in `llm`, and drafts them in `hybrid`."""
