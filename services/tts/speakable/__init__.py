"""Makes what a language model writes speakable: no Markdown, URLs, code, citations or emoji; numbers in words."""

from services.tts.speakable.markdown import without_markdown
from services.tts.speakable.numbers import numbers_in_words
from services.tts.speakable.symbols import without_symbols


def speakable(text: str, language: str) -> str:
    """What a voice of a language should say; empty where nothing in the text can be spoken."""
    return without_symbols(numbers_in_words(without_markdown(text, language), language), language)
