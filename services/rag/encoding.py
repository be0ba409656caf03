"""What chunks are made by, in one word: documents whose word differs are stored anew, and not moved elsewhere."""

CHUNK_FORMAT = 1
"""Raise it when what `chunk_record` keeps of a chunk changes."""
CHUNKING = 2
"""Raise it when chunks come out otherwise than before: documents sent again are then stored anew."""


def encoding(model: str) -> str:
    """The word.

    Args:
        model: id of the embedding model.
    """
    return f"{model}/{CHUNK_FORMAT}/{CHUNKING}"
