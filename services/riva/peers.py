"""The speech services behind the door, one stub for calls and one for streams, and what they serve."""

from dataclasses import dataclass

from ledge.asr.v1 import asr_pb2, asr_pb2_grpc
from ledge.translation.v1 import translation_pb2, translation_pb2_grpc
from ledge.tts.v1 import tts_pb2, tts_pb2_grpc

from services.kit.client import Channel, connect
from services.kit.listed import Listed
from services.riva.config import RivaConfig


@dataclass(frozen=True)
class Peers:
    """Shared by all calls; closed when the door stops."""

    asr: "asr_pb2_grpc.AsrServiceAsyncStub"
    asr_streams: "asr_pb2_grpc.AsrServiceAsyncStub"
    tts: "tts_pb2_grpc.TtsServiceAsyncStub"
    tts_streams: "tts_pb2_grpc.TtsServiceAsyncStub"
    translation: "translation_pb2_grpc.TranslationServiceAsyncStub"
    models: Listed[asr_pb2.ListModelsResponse]
    voices: Listed[tts_pb2.ListVoicesResponse]
    pairs: Listed[translation_pb2.ListLanguagePairsResponse]
    channels: tuple[Channel, ...]

    async def close(self) -> None:
        for channel in self.channels:
            await channel.close()


def connect_peers(config: RivaConfig) -> Peers:
    """Opens the channels; nothing is called yet."""
    patient = config.model_copy(update={"call_timeout_s": config.stream_timeout_s})
    asr = connect(config.asr_address, config, asr_pb2.DESCRIPTOR)
    asr_streams = connect(config.asr_address, patient, asr_pb2.DESCRIPTOR)
    tts = connect(config.tts_address, config, tts_pb2.DESCRIPTOR)
    tts_streams = connect(config.tts_address, patient, tts_pb2.DESCRIPTOR)
    translation = connect(config.translation_address, config, translation_pb2.DESCRIPTOR)
    asr_stub = asr_pb2_grpc.AsrServiceStub(asr)
    tts_stub = tts_pb2_grpc.TtsServiceStub(tts)
    translation_stub = translation_pb2_grpc.TranslationServiceStub(translation)
    return Peers(
        asr=asr_stub,
        asr_streams=asr_pb2_grpc.AsrServiceStub(asr_streams),
        tts=tts_stub,
        tts_streams=tts_pb2_grpc.TtsServiceStub(tts_streams),
        translation=translation_stub,
        models=Listed(lambda: asr_stub.ListModels(asr_pb2.ListModelsRequest())),
        voices=Listed(lambda: tts_stub.ListVoices(tts_pb2.ListVoicesRequest())),
        pairs=Listed(lambda: translation_stub.ListLanguagePairs(translation_pb2.ListLanguagePairsRequest())),
        channels=(asr, asr_streams, tts, tts_streams, translation),
    )
