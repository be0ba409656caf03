"""What is said when the documents do not answer."""

_SAYINGS = {
    "en": "I don't know: nothing in the documents answers this.",
    "de": "Das weiß ich nicht: In den Dokumenten steht nichts, was diese Frage beantwortet.",
    "es": "No lo sé: nada en los documentos responde a esta pregunta.",
    "fr": "Je ne sais pas : rien dans les documents ne répond à cette question.",
    "it": "Non lo so: nulla nei documenti risponde a questa domanda.",
    "nl": "Dat weet ik niet: niets in de documenten beantwoordt deze vraag.",
    "pt": "Não sei: nada nos documentos responde a esta pergunta.",
}


def dont_know(language: str) -> str:
    """In the language asked for (BCP-47), else in English."""
    return _SAYINGS.get(language.split("-")[0].lower(), _SAYINGS["en"])
