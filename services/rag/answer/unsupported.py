"""What is said when no document answers: that they do not, or that they were not asked."""

from collections.abc import Mapping

_DONT_KNOW = {
    "en": "I don't know: nothing in the documents answers this.",
    "de": "Das weiß ich nicht: In den Dokumenten steht nichts, was diese Frage beantwortet.",
    "es": "No lo sé: nada en los documentos responde a esta pregunta.",
    "fr": "Je ne sais pas : rien dans les documents ne répond à cette question.",
    "it": "Non lo so: nulla nei documenti risponde a questa domanda.",
    "nl": "Dat weet ik niet: niets in de documenten beantwoordt deze vraag.",
    "pt": "Não sei: nada nos documentos responde a esta pergunta.",
}

_WHAT_TO_ASK = {
    "en": "Ask me about the documents: I answer from them, and say where the answer stands.",
    "de": "Fragen Sie mich nach den Dokumenten: Ich antworte aus ihnen und sage, wo die Antwort steht.",
    "es": "Pregúnteme sobre los documentos: respondo a partir de ellos y digo dónde está la respuesta.",
    "fr": "Interrogez-moi sur les documents : je réponds à partir d'eux et dis où se trouve la réponse.",
    "it": "Chiedimi dei documenti: rispondo a partire da essi e dico dove si trova la risposta.",
    "nl": "Vraag me naar de documenten: ik antwoord daaruit en zeg waar het antwoord staat.",
    "pt": "Pergunte-me sobre os documentos: respondo a partir deles e digo onde está a resposta.",
}
_NOTHING_SAID = {
    "en": "Nothing has been said yet.",
    "de": "Bisher wurde nichts gesagt.",
    "es": "Todavía no se ha dicho nada.",
    "fr": "Rien n'a encore été dit.",
    "it": "Non è stato ancora detto nulla.",
    "nl": "Er is nog niets gezegd.",
    "pt": "Ainda nada foi dito.",
}


def dont_know(language: str) -> str:
    """In the language asked for (BCP-47), else in English."""
    return _in(_DONT_KNOW, language)


def what_to_ask(language: str) -> str:
    """In return for a greeting."""
    return _in(_WHAT_TO_ASK, language)


def nothing_said(language: str) -> str:
    """Where the conversation is asked about and there is none."""
    return _in(_NOTHING_SAID, language)


def _in(sayings: Mapping[str, str], language: str) -> str:
    return sayings.get(language.split("-")[0].lower(), sayings["en"])
