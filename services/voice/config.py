"""Settings of the voice service."""

from pydantic import Field

from services.kit.config import ServiceConfig


class VoiceConfig(ServiceConfig):
    """Settings of the service that converses and interprets."""

    asr_address: str = "127.0.0.1:50101"
    """Address of the service that recognises speech."""
    tts_address: str = "127.0.0.1:50102"
    """Address of the service that speaks."""
    translation_address: str = "127.0.0.1:50103"
    """Address of the service that translates. Empty: there is none."""
    llm_address: str = "127.0.0.1:50104"
    """Address of the service of chat models. Empty: there is none."""
    rag_address: str = "127.0.0.1:50108"
    """Address of the service that answers from documents."""
    rag_model: str = "ledge-rag"
    """Model name that means answers from documents."""
    document_language: str = Field("en", pattern="^[a-z]{2,3}$")
    """Language (ISO 639) that the documents are written in; who speaks another is answered by translation."""
    silence_ms: int = Field(500, ge=100, le=5000)
    """Silence that ends a turn where a session does not say."""
    soft_end_ms: int = Field(190, ge=100, le=1000)
    """Silence after which an answer is begun, though nobody hears of it before the turn has ended."""
    speculation: bool = True
    """Whether answers are begun before a turn has ended. Off: at its end."""
    stable_partial_ms: int = Field(250, ge=0, le=5000)
    """With speculation: words that sound finished and stay the same in partial results for so long begin an answer
    while somebody still speaks, once a turn. 0: answers are begun at soft ends only."""
    clause_streaming: bool = True
    """Whether an answer is spoken clause by clause while it is written. Off: when it is whole."""
    ahead_ms: int = Field(3000, ge=200, le=60_000)
    """How far audio is sent ahead of what is heard. Less: an interruption wastes less; more: a bad network is covered
    for longer."""
    interrupt_ms: int = Field(160, ge=96, le=2000)
    """Speech that silences an answer; `asr` tells every 32 ms. What then proves to be a cough or a "mm-hm" lets it
    go on."""
    one_word_interrupts: bool = False
    """Whether one word alone ends an answer, whatever it is. Off: it goes on after a word that is short, no command
    ("stop", "no") and no question ("why"), as after a nod: such words are mostly nods that were misheard."""
    hearing_timeout_s: float = Field(15.0, gt=0, le=600)
    """How long `asr` may owe an answer to what was said before the session is told that nobody hears it; a second
    later it is asked again."""
    answer_timeout_s: float = Field(60.0, gt=0, le=3600)
    """How long whoever answers may be silent before a response fails."""
    speech_timeout_s: float = Field(15.0, gt=0, le=600)
    """How long `tts` may owe speech before an answer goes on as text, degraded."""
    max_sessions: int = Field(64, ge=1, le=10_000)
    """Conversations at a time; past it RESOURCE_EXHAUSTED at once."""
    max_interpretations: int = Field(64, ge=1, le=10_000)
    """Streams interpreted at a time (TranslateSpeech); past it RESOURCE_EXHAUSTED at once."""
    max_items: int = Field(1000, ge=16, le=100_000)
    """Items that a conversation keeps; past it the oldest are deleted."""
    max_conversation_characters: int = Field(500_000, ge=10_000, le=100_000_000)
    """Text that a conversation keeps, in all its items; past it the oldest are deleted."""
    client_timeout_s: float = Field(30.0, gt=0, le=3600)
    """How long a client may take nothing of what is sent before its session is ended."""
    session_timeout_s: float = Field(3600.0, gt=0, le=24 * 3600)
    """How long a session may last."""
