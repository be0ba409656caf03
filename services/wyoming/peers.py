"""The services behind the door, one stub each."""

from dataclasses import dataclass
from typing import Any

from grpc_health.v1 import health_pb2_grpc
from ledge.asr.v1 import asr_pb2, asr_pb2_grpc
from ledge.rag.v1 import rag_pb2, rag_pb2_grpc
from ledge.tts.v1 import tts_pb2, tts_pb2_grpc

from services.kit.client import Channel, connect
from services.wyoming.config import WyomingConfig


@dataclass(frozen=True)
class Peers:
    """Shared by all connections; closed when the door stops."""

    asr: "asr_pb2_grpc.AsrServiceAsyncStub"
    tts: "tts_pb2_grpc.TtsServiceAsyncStub"
    rag: "rag_pb2_grpc.RagServiceAsyncStub"
    rag_health: Any
    channels: tuple[Channel, ...]

    async def close(self) -> None:
        for channel in self.channels:
            await channel.close()


def connect_peers(config: WyomingConfig) -> Peers:
    """Opens a channel to each service; nothing is called yet."""
    patient = config.model_copy(update={"call_timeout_s": config.stream_timeout_s})
    asr = connect(config.asr_address, patient, asr_pb2.DESCRIPTOR)
    tts = connect(config.tts_address, patient, tts_pb2.DESCRIPTOR)
    rag = connect(config.rag_address, patient, rag_pb2.DESCRIPTOR)
    return Peers(
        asr=asr_pb2_grpc.AsrServiceStub(asr),
        tts=tts_pb2_grpc.TtsServiceStub(tts),
        rag=rag_pb2_grpc.RagServiceStub(rag),
        rag_health=health_pb2_grpc.HealthStub(rag),
        channels=(asr, tts, rag),
    )
