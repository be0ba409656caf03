"""Pages of all that is kept of points, as large as a message may be."""

from typing import Any

import grpc
from ledge.retrieval.v1 import retrieval_pb2 as pb

PAGE_POINTS = 256
WHOLE = pb.Selection(text=True, metadata=True, vector=True, attachments=["segments"])
"""All that rag keeps of a point."""


async def page_of(retrieval: Any, name: str, token: str, limit: int) -> tuple[pb.ScrollResponse, int]:
    """A page, and how many points fit into one: of large ones few do."""
    while True:
        try:
            request = pb.ScrollRequest(collection=name, limit=limit, page_token=token, selection=WHOLE)
            return await retrieval.Scroll(request), limit
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.INVALID_ARGUMENT or limit == 1:
                raise
            limit //= 2
