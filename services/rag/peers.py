"""The capabilities that rag is composed of, each behind one channel."""

from ledge.embedding.v1 import embedding_pb2, embedding_pb2_grpc
from ledge.llm.v1 import llm_pb2, llm_pb2_grpc
from ledge.reranking.v1 import reranking_pb2, reranking_pb2_grpc
from ledge.retrieval.v1 import retrieval_pb2, retrieval_pb2_grpc

from services.kit.client import connect
from services.rag.config import RagConfig


class Peers:
    """Stubs of the peers, shared by all calls. A peer that is down fails the calls made to it, not this."""

    def __init__(self, config: RagConfig) -> None:
        embedding = connect(config.embedding_address, config, embedding_pb2.DESCRIPTOR)
        retrieval = connect(config.retrieval_address, config, retrieval_pb2.DESCRIPTOR)
        reranking = connect(config.reranking_address, config, reranking_pb2.DESCRIPTOR, dispensable=True)
        llm = connect(config.llm_address, config, llm_pb2.DESCRIPTOR)
        self._channels = (embedding, retrieval, reranking, llm)
        self.embedding = embedding_pb2_grpc.EmbeddingServiceStub(embedding)
        self.retrieval = retrieval_pb2_grpc.RetrievalServiceStub(retrieval)
        self.reranking = reranking_pb2_grpc.RerankingServiceStub(reranking)
        self.llm = llm_pb2_grpc.LlmServiceStub(llm)

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close()
