"""The names by which OpenAI's clients call what there is."""

from collections.abc import Mapping
from dataclasses import dataclass

from services.gateway.audio_form import OPENAI_MODELS as OPENAI_TRANSCRIBERS

FROM_DOCUMENTS = "ledge-rag"
"""What voice calls answering from the documents."""
OPENAI_TALKERS = ("gpt-realtime", "gpt-4o-realtime", "gpt-4o-mini-realtime", "gpt-audio", "gpt-4o-audio")
"""How the names begin that OpenAI's clients send where nobody chose one."""
TRANSCRIBERS = OPENAI_TRANSCRIBERS | {"gpt-realtime-whisper", "gpt-live-transcribe", "gpt-4o-transcribe-diarize"}


@dataclass(frozen=True)
class Names:
    """Shared by all sessions of a gateway."""

    models: Mapping[str, str]
    """Alias → model."""
    voices: Mapping[str, str]
    """Alias → voice."""
    rag_model: str = FROM_DOCUMENTS
    """What the gateway calls answering from the documents."""

    def talker(self, name: str) -> str:
        """The model of a conversation, as voice calls it; empty: the one that it takes by itself."""
        known = self.models.get(name, name)
        if known == self.rag_model:
            return FROM_DOCUMENTS
        return "" if known.startswith(OPENAI_TALKERS) else known

    def talker_told(self, model: str) -> str:
        """The same the other way."""
        return self.rag_model if model == FROM_DOCUMENTS else model

    def transcriber(self, name: str) -> str:
        """The model that hears; empty: the one that is served."""
        known = self.models.get(name, name)
        return "" if known in TRANSCRIBERS else known

    def voice(self, name: str) -> str:
        """A voice's id; empty: the one that speaks by default."""
        return self.voices.get(name, name)
