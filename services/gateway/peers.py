"""The services behind the gateway, one stub each, and the names models go by."""

from dataclasses import dataclass

from grpc_health.v1 import health_pb2_grpc
from ledge.asr.v1 import asr_pb2, asr_pb2_grpc
from ledge.embedding.v1 import embedding_pb2, embedding_pb2_grpc
from ledge.llm.v1 import llm_pb2, llm_pb2_grpc
from ledge.rag.v1 import rag_pb2, rag_pb2_grpc
from ledge.reranking.v1 import reranking_pb2, reranking_pb2_grpc
from ledge.translation.v1 import translation_pb2, translation_pb2_grpc
from ledge.tts.v1 import tts_pb2, tts_pb2_grpc
from ledge.voice.v1 import voice_pb2, voice_pb2_grpc

from services.gateway.config import GatewayConfig, alias_names
from services.gateway.demand import Demand
from services.kit.client import Channel, connect
from services.kit.errors import NotFound

MESSAGE_SPARE_BYTES = 64 * 1024
"""What a message holds beside the audio of a file."""
SESSION_SPARE_S = 5.0
"""How much longer a call may take than the realtime session that it is for, so that the session ends it."""


@dataclass(frozen=True)
class Peers:
    """Shared by all requests; closed when the gateway stops."""

    llm: "llm_pb2_grpc.LlmServiceAsyncStub"
    embedding: "embedding_pb2_grpc.EmbeddingServiceAsyncStub"
    reranking: "reranking_pb2_grpc.RerankingServiceAsyncStub"
    rag: "rag_pb2_grpc.RagServiceAsyncStub"
    rag_uploads: "rag_pb2_grpc.RagServiceAsyncStub"
    """The same service, for calls that may outlast the request that began them."""
    asr: "asr_pb2_grpc.AsrServiceAsyncStub | None"
    """None where the suite has none; so with `tts`, `translation` and `voice`."""
    tts: "tts_pb2_grpc.TtsServiceAsyncStub | None"
    translation: "translation_pb2_grpc.TranslationServiceAsyncStub | None"
    voice: "voice_pb2_grpc.VoiceServiceAsyncStub | None"
    health: dict[str, health_pb2_grpc.HealthStub]
    """By the gRPC service's full name."""
    channels: tuple[Channel, ...]
    demand: Demand
    aliases: dict[str, str]
    voice_aliases: dict[str, str]
    rag_model: str

    def model(self, name: str) -> str:
        """The model id that a request's name means: an alias's target, or the name itself."""
        return self.aliases.get(name, name)

    def hearing(self) -> "asr_pb2_grpc.AsrServiceAsyncStub":
        """Raises NotFound where nobody hears."""
        if self.asr is None:
            raise NotFound("there is no speech recognition behind this gateway (LEDGE_ASR_ADDRESS is not set)")
        return self.asr

    def speaking(self) -> "tts_pb2_grpc.TtsServiceAsyncStub":
        """Raises NotFound where nobody speaks."""
        if self.tts is None:
            raise NotFound("there is no text to speech behind this gateway (LEDGE_TTS_ADDRESS is not set)")
        return self.tts

    def translating(self) -> "translation_pb2_grpc.TranslationServiceAsyncStub":
        """Raises NotFound where nobody translates."""
        if self.translation is None:
            raise NotFound("there is no translation behind this gateway (LEDGE_TRANSLATION_ADDRESS is not set)")
        return self.translation

    def talking(self) -> "voice_pb2_grpc.VoiceServiceAsyncStub":
        """Raises NotFound where nobody talks."""
        if self.voice is None:
            raise NotFound("there is no voice service behind this gateway (LEDGE_VOICE_ADDRESS is not set)")
        return self.voice

    async def close(self) -> None:
        for channel in self.channels:
            await channel.close()


def connect_peers(config: GatewayConfig) -> Peers:
    """Opens a channel to each service; nothing is called yet."""
    llm = connect(config.llm_address, config, llm_pb2.DESCRIPTOR)
    embedding = connect(config.embedding_address, config, embedding_pb2.DESCRIPTOR)
    reranking = connect(config.reranking_address, config, reranking_pb2.DESCRIPTOR)
    rag = connect(config.rag_address, config, rag_pb2.DESCRIPTOR)
    patient = config.model_copy(update={"call_timeout_s": config.upload_timeout_s})
    rag_uploads = connect(config.rag_address, patient, rag_pb2.DESCRIPTOR)
    # A file travels in one message.
    files = max(config.max_message_bytes, config.max_audio_bytes + MESSAGE_SPARE_BYTES)
    for_files = config.model_copy(update={"max_message_bytes": files})
    asr = connect(config.asr_address, for_files, asr_pb2.DESCRIPTOR) if config.asr_address else None
    tts = connect(config.tts_address, config, tts_pb2.DESCRIPTOR) if config.tts_address else None
    translation = None
    if config.translation_address:
        translation = connect(config.translation_address, config, translation_pb2.DESCRIPTOR)
    # A session is one call.
    lasting = config.model_copy(update={"call_timeout_s": config.realtime_session_s + SESSION_SPARE_S})
    voice = connect(config.voice_address, lasting, voice_pb2.DESCRIPTOR) if config.voice_address else None
    speech = {
        "ledge.asr.v1.AsrService": asr,
        "ledge.tts.v1.TtsService": tts,
        "ledge.translation.v1.TranslationService": translation,
        "ledge.voice.v1.VoiceService": voice,
    }
    demand = Demand()
    if config.scaler_port is not None:
        roles = {"llm": llm, "embedding": embedding, "reranking": reranking, "rag": rag, "voice": voice}
        speaking = {"asr": asr, "tts": tts, "translation": translation}
        for role, channel in (*roles.items(), *speaking.items(), ("rag", rag_uploads)):
            if channel is not None:
                demand.watch(role, channel)
    return Peers(
        llm=llm_pb2_grpc.LlmServiceStub(llm),
        embedding=embedding_pb2_grpc.EmbeddingServiceStub(embedding),
        reranking=reranking_pb2_grpc.RerankingServiceStub(reranking),
        rag=rag_pb2_grpc.RagServiceStub(rag),
        rag_uploads=rag_pb2_grpc.RagServiceStub(rag_uploads),
        asr=asr_pb2_grpc.AsrServiceStub(asr) if asr else None,
        tts=tts_pb2_grpc.TtsServiceStub(tts) if tts else None,
        translation=translation_pb2_grpc.TranslationServiceStub(translation) if translation else None,
        voice=voice_pb2_grpc.VoiceServiceStub(voice) if voice else None,
        health={
            "ledge.llm.v1.LlmService": health_pb2_grpc.HealthStub(llm),
            "ledge.embedding.v1.EmbeddingService": health_pb2_grpc.HealthStub(embedding),
            "ledge.reranking.v1.RerankingService": health_pb2_grpc.HealthStub(reranking),
            "ledge.rag.v1.RagService": health_pb2_grpc.HealthStub(rag),
            **{name: health_pb2_grpc.HealthStub(channel) for name, channel in speech.items() if channel},
        },
        channels=(llm, embedding, reranking, rag, rag_uploads, *(channel for channel in speech.values() if channel)),
        demand=demand,
        aliases=alias_names(config.model_aliases),
        voice_aliases=alias_names(config.voice_aliases),
        rag_model=config.rag_model,
    )
