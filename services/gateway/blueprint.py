"""What the RAG blueprint's requests have in common, and how its clients read passages."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from google.protobuf.json_format import MessageToDict
from ledge.rag.v1 import rag_pb2 as pb
from ledge.retrieval.v1 import retrieval_pb2
from pydantic import Field, field_validator

from services.gateway.blueprint_filter import filter_of
from services.gateway.body import Body
from services.gateway.rag_question import Said
from services.kit.errors import InvalidInput

MAX_CANDIDATES = 100
NO_CITATIONS: Mapping[str, Any] = {"total_results": 0, "results": []}


class ContentPart(Body):
    type: str = "text"
    text: str = ""


Content = str | Annotated[list[ContentPart], Field(fail_fast=True)]


class Message(Body):
    role: Literal["user", "assistant", "system"] = "user"
    content: Content = ""

    def said(self) -> Said:
        return Said(self.role, text_of(self.content))


class RetrievalFields(Body):
    """The fields that choose passages. Those that choose the blueprint's own servers and models mean nothing here."""

    REFUSED: ClassVar[Mapping[str, str]] = {
        "enable_vlm_inference": "images are not read",
        "enable_filter_generator": "send filter_expr",
    }
    collection_names: Annotated[list[str], Field(max_length=16)] = Field(default_factory=list)
    vdb_top_k: Annotated[int, Field(ge=0, le=400)] = MAX_CANDIDATES
    enable_reranker: bool = True
    enable_citations: bool = True
    filter_expr: str | Annotated[list[Any], Field(max_length=0)] = ""

    @field_validator("filter_expr")
    @classmethod
    def _filter_can_be_read(cls, expression: str | list[Any]) -> str | list[Any]:
        if isinstance(expression, str) and expression.strip():
            try:
                filter_of(expression)
            except InvalidInput as error:
                raise ValueError(error.message) from error
        return expression

    def filter(self) -> retrieval_pb2.Filter | None:
        """What passages must fit; None where nothing is asked."""
        return filter_of(self.filter_expr) if isinstance(self.filter_expr, str) and self.filter_expr.strip() else None

    def mode(self) -> pb.RetrievalMode:
        return pb.HYBRID_RERANKED if self.enable_reranker else pb.HYBRID


def text_of(content: Content) -> str:
    """The content as one text; parts that are no text are refused, not dropped."""
    if isinstance(content, str):
        return content
    for part in content:
        if part.type != "text":
            raise InvalidInput(f"content of type {part.type!r} is not supported: send text")
    return "".join(part.text for part in content)


def source_of(passage: pb.Passage, **more: Any) -> dict[str, Any]:
    """A passage as the blueprint's clients read it; what it has no field for stands in `content_metadata`."""
    return {
        "document_id": passage.id,
        "content": passage.text,
        "document_name": passage.document,
        "document_type": "text",
        "score": passage.score,
        "stage": "rag",
        "metadata": {
            "language": "",
            "date_created": "",
            "last_modified": "",
            "page_number": passage.page if passage.HasField("page") else 0,
            "description": passage.text,
            "height": 0,
            "width": 0,
            "location": [],
            "location_max_dimensions": [],
            "content_metadata": {
                **MessageToDict(passage.metadata),
                "type": "text",
                "collection": passage.collection,
                "headings": list(passage.headings),
                **more,
            },
        },
    }


def sources(results: list[dict[str, Any]]) -> dict[str, Any]:
    """Passages as the blueprint lists them."""
    return {"total_results": len(results), "results": results}
