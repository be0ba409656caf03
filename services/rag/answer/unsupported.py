"""What is said when no document answers: that they do not, or that they were not asked, or must not be."""

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
_NOT_CHECKED = {
    "en": "This cannot be checked at the moment, so I do not answer it. Please try again later.",
    "de": "Das lässt sich im Moment nicht prüfen, darum antworte ich nicht. Bitte versuchen Sie es später noch einmal.",
    "es": "Esto no se puede comprobar en este momento, por eso no respondo. Inténtelo de nuevo más tarde.",
    "fr": "Cela ne peut pas être vérifié pour le moment, je ne réponds donc pas. Veuillez réessayer plus tard.",
    "it": "Al momento non è possibile verificarlo, quindi non rispondo. Riprovi più tardi.",
    "nl": "Dit kan nu niet worden gecontroleerd, daarom antwoord ik niet. Probeer het later nog eens.",
    "pt": "De momento não é possível verificar isto, por isso não respondo. Tente de novo mais tarde.",
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


def not_checked(language: str) -> str:
    """Where the guards must check and cannot."""
    return _in(_NOT_CHECKED, language)


def _in(sayings: Mapping[str, str], language: str) -> str:
    return sayings.get(language.split("-")[0].lower(), sayings["en"])
