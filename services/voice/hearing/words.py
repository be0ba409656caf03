"""What words are worth: whether they interrupt, are only a nod or an echo, and whether a sentence sounds finished."""

import re
from itertools import pairwise

from services.voice.speaking.voices import primary
from services.voice.turns.inputs import Words

NODS = {
    "en": {
        "mm", "mhm", "mm-hm", "mmhm", "hm", "hmm", "hum", "uh", "uh-huh", "um", "huh", "ah", "oh", "yeah", "yep", "yes",
        "okay", "ok", "right", "sure", "i see", "got it", "alright", "all right", "oh okay", "yeah okay", "oh yeah",
    },
    "es": {"mm", "hm", "ajá", "eh", "ah", "oh", "sí", "ya", "vale", "claro", "bueno", "okey", "ok", "de acuerdo"},
    "de": {"mm", "mhm", "hm", "hmm", "äh", "ah", "ach", "aha", "ja", "jo", "okay", "ok", "gut", "genau", "klar"},
    "fr": {"mm", "hm", "euh", "ah", "oh", "oui", "ouais", "d'accord", "ok", "okay", "bon", "bien", "voilà", "je vois"},
}  # fmt: skip
COMMANDS = {
    "en": {
        "stop", "wait", "no", "nope", "don't", "never", "cancel", "enough", "quiet", "silence", "hush", "hold", "pause",
        "what", "why", "who", "where", "when", "how", "which", "pardon", "sorry", "excuse", "repeat", "again", "next",
        "back", "continue", "more", "less", "louder", "slower", "faster", "help", "hey", "hello", "but", "wrong",
    },
    "es": {
        "para", "pare", "espera", "espere", "alto", "basta", "no", "nunca", "cancela", "cancelar", "silencio", "calla",
        "cállate", "suficiente", "detente", "pausa", "momento", "qué", "que", "quién", "dónde", "cuándo", "cómo",
        "cuál", "cuánto", "perdón", "perdona", "repite", "repita", "otra", "siguiente", "sigue", "más", "menos",
        "ayuda", "oye", "oiga", "hola", "pero", "mal",
    },
    "de": {
        "stopp", "stop", "halt", "warte", "warten", "nein", "nie", "abbrechen", "genug", "ruhe", "leise", "pause",
        "moment", "was", "warum", "wieso", "wer", "wo", "wann", "wie", "welche", "bitte", "pardon", "entschuldigung",
        "nochmal", "weiter", "zurück", "mehr", "lauter", "langsamer", "hilfe", "hey", "hallo", "aber", "doch", "falsch",
    },
    "fr": {
        "stop", "arrête", "arrêtez", "attends", "attendez", "non", "jamais", "annule", "annulez", "assez", "silence",
        "chut", "pause", "quoi", "pourquoi", "qui", "où", "quand", "comment", "combien", "pardon", "répète", "répétez",
        "encore", "suivant", "plus", "moins", "aide", "hé", "allô", "mais", "faux",
    },
}  # fmt: skip
"""Words that ask for something alone: they end an answer at once."""
UNFINISHED = {
    "en": {
        "a", "an", "the", "and", "or", "but", "so", "because", "if", "when", "that", "which", "who", "of", "to", "in",
        "on", "at", "for", "from", "with", "by", "about", "between", "into", "is", "are", "was", "were", "do", "does",
        "did", "my", "your", "our", "their", "its", "what", "where", "how", "um", "uh", "like", "not", "very", "please",
    },
    "es": {
        "el", "la", "los", "las", "un", "una", "y", "o", "pero", "porque", "si", "cuando", "que", "de", "del", "a",
        "al", "en", "con", "por", "para", "sobre", "entre", "es", "son", "mi", "tu", "su", "eh", "muy", "como",
    },
    "de": {
        "der", "die", "das", "ein", "eine", "einen", "und", "oder", "aber", "weil", "wenn", "dass", "von", "zu", "in",
        "an", "auf", "für", "mit", "bei", "über", "zwischen", "ist", "sind", "war", "mein", "dein", "äh", "sehr", "wie",
    },
    "fr": {
        "le", "la", "les", "un", "une", "des", "et", "ou", "mais", "parce", "si", "quand", "que", "qui", "de", "du",
        "à", "au", "en", "dans", "sur", "avec", "pour", "par", "entre", "est", "sont", "mon", "ton", "son", "euh",
        "très",
    },
}  # fmt: skip
"""Words that a sentence seldom ends with."""
ECHO_SHARE = 0.6
"""Of neighbouring words: questions and answers share many words, but seldom in the same order."""
_WORD = re.compile(r"[\w'’-]+")
_OPEN_END = re.compile(r"(?:[,;:—–-]|\.\.\.|…)\s*$")


def worth(text: str, language: str, spoken: str) -> Words:
    """What it is to somebody who speaks.

    Args:
        spoken: what was said lately by the one who may be interrupted.
    """
    words = _words(text)
    if not words:
        return Words.NONE
    if _is_nod(words, language):
        return Words.BACKCHANNEL
    said = _words(spoken)
    if len(words) == 1:
        if words[0] in said:
            return Words.ECHO
        return Words.SPEECH if words[0] in COMMANDS.get(primary(language) or "en", COMMANDS["en"]) else Words.WORD
    pairs, said_pairs = list(pairwise(words)), set(pairwise(said))
    is_echo = sum(pair in said_pairs for pair in pairs) >= ECHO_SHARE * len(pairs)
    return Words.ECHO if is_echo else Words.SPEECH


def finished(text: str, language: str) -> bool:
    """Whether somebody who falls silent after it may have said all."""
    if _OPEN_END.search(text):
        return False
    words = _words(text)
    return not words or words[-1] not in UNFINISHED.get(primary(language) or "en", set())


def _is_nod(words: list[str], language: str) -> bool:
    nods = NODS.get(primary(language) or "en", NODS["en"])
    if " ".join(words) in nods:
        return True
    return len(words) <= 3 and all(word in nods for word in words)


def _words(text: str) -> list[str]:
    return [word.lower().replace("’", "'") for word in _WORD.findall(text)]
