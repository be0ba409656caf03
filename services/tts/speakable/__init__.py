"""Makes what a language model writes speakable: no Markdown, URLs, code, citations or emoji; numbers in words."""

from services.tts.speakable.markdown import without_markdown
from services.tts.speakable.numbers import numbers_in_words
from services.tts.speakable.shorthand import without_slashes, written_out
from services.tts.speakable.symbols import without_symbols


def speakable(text: str, language: str) -> str:
    """What a voice of a language should say; empty where nothing in the text can be spoken."""
    text = numbers_in_words(written_out(without_markdown(text, language), language), language)
    return without_symbols(without_slashes(text), language)
