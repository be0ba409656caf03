from google.protobuf import struct_pb2 as _struct_pb2
from ledge.retrieval.v1 import retrieval_pb2 as _retrieval_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RetrievalMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RETRIEVAL_MODE_UNSPECIFIED: _ClassVar[RetrievalMode]
    DENSE: _ClassVar[RetrievalMode]
    TEXT: _ClassVar[RetrievalMode]
    HYBRID: _ClassVar[RetrievalMode]
    HYBRID_RERANKED: _ClassVar[RetrievalMode]

class Effort(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EFFORT_UNSPECIFIED: _ClassVar[Effort]
    FAST: _ClassVar[Effort]
    BALANCED: _ClassVar[Effort]
    THOROUGH: _ClassVar[Effort]

class Policy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    POLICY_UNSPECIFIED: _ClassVar[Policy]
    QUOTE: _ClassVar[Policy]
    COMPOSE: _ClassVar[Policy]

class Judge(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JUDGE_UNSPECIFIED: _ClassVar[Judge]
    CALIBRATED: _ClassVar[Judge]
    MODEL: _ClassVar[Judge]

class Route(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROUTE_UNSPECIFIED: _ClassVar[Route]
    DOCUMENTS: _ClassVar[Route]
    CONVERSATION: _ClassVar[Route]
    NEITHER: _ClassVar[Route]
RETRIEVAL_MODE_UNSPECIFIED: RetrievalMode
DENSE: RetrievalMode
TEXT: RetrievalMode
HYBRID: RetrievalMode
HYBRID_RERANKED: RetrievalMode
EFFORT_UNSPECIFIED: Effort
FAST: Effort
BALANCED: Effort
THOROUGH: Effort
POLICY_UNSPECIFIED: Policy
QUOTE: Policy
COMPOSE: Policy
JUDGE_UNSPECIFIED: Judge
CALIBRATED: Judge
MODEL: Judge
ROUTE_UNSPECIFIED: Route
DOCUMENTS: Route
CONVERSATION: Route
NEITHER: Route

class IngestRequest(_message.Message):
    __slots__ = ("config", "document", "content")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    config: IngestConfig
    document: DocumentStart
    content: bytes
    def __init__(self, config: _Optional[_Union[IngestConfig, _Mapping]] = ..., document: _Optional[_Union[DocumentStart, _Mapping]] = ..., content: _Optional[bytes] = ...) -> None: ...

class IngestConfig(_message.Message):
    __slots__ = ("collection",)
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    collection: str
    def __init__(self, collection: _Optional[str] = ...) -> None: ...

class DocumentStart(_message.Message):
    __slots__ = ("name", "media_type", "size_bytes", "metadata", "sha256")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    name: str
    media_type: str
    size_bytes: int
    metadata: _struct_pb2.Struct
    sha256: bytes
    def __init__(self, name: _Optional[str] = ..., media_type: _Optional[str] = ..., size_bytes: _Optional[int] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., sha256: _Optional[bytes] = ...) -> None: ...

class IngestResponse(_message.Message):
    __slots__ = ("wanted", "progress", "result", "summary")
    WANTED_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    wanted: DocumentWanted
    progress: IngestProgress
    result: DocumentResult
    summary: IngestSummary
    def __init__(self, wanted: _Optional[_Union[DocumentWanted, _Mapping]] = ..., progress: _Optional[_Union[IngestProgress, _Mapping]] = ..., result: _Optional[_Union[DocumentResult, _Mapping]] = ..., summary: _Optional[_Union[IngestSummary, _Mapping]] = ...) -> None: ...

class DocumentWanted(_message.Message):
    __slots__ = ("name", "wanted")
    NAME_FIELD_NUMBER: _ClassVar[int]
    WANTED_FIELD_NUMBER: _ClassVar[int]
    name: str
    wanted: bool
    def __init__(self, name: _Optional[str] = ..., wanted: bool = ...) -> None: ...

class IngestProgress(_message.Message):
    __slots__ = ("name", "pages", "chunks")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PAGES_FIELD_NUMBER: _ClassVar[int]
    CHUNKS_FIELD_NUMBER: _ClassVar[int]
    name: str
    pages: int
    chunks: int
    def __init__(self, name: _Optional[str] = ..., pages: _Optional[int] = ..., chunks: _Optional[int] = ...) -> None: ...

class DocumentResult(_message.Message):
    __slots__ = ("name", "outcome", "reason", "pages", "chunks")
    class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        OUTCOME_UNSPECIFIED: _ClassVar[DocumentResult.Outcome]
        STORED: _ClassVar[DocumentResult.Outcome]
        UNCHANGED: _ClassVar[DocumentResult.Outcome]
        REPLACED: _ClassVar[DocumentResult.Outcome]
        REJECTED: _ClassVar[DocumentResult.Outcome]
    OUTCOME_UNSPECIFIED: DocumentResult.Outcome
    STORED: DocumentResult.Outcome
    UNCHANGED: DocumentResult.Outcome
    REPLACED: DocumentResult.Outcome
    REJECTED: DocumentResult.Outcome
    NAME_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    PAGES_FIELD_NUMBER: _ClassVar[int]
    CHUNKS_FIELD_NUMBER: _ClassVar[int]
    name: str
    outcome: DocumentResult.Outcome
    reason: str
    pages: int
    chunks: int
    def __init__(self, name: _Optional[str] = ..., outcome: _Optional[_Union[DocumentResult.Outcome, str]] = ..., reason: _Optional[str] = ..., pages: _Optional[int] = ..., chunks: _Optional[int] = ...) -> None: ...

class IngestSummary(_message.Message):
    __slots__ = ("stored", "unchanged", "replaced", "rejected", "pages", "chunks")
    STORED_FIELD_NUMBER: _ClassVar[int]
    UNCHANGED_FIELD_NUMBER: _ClassVar[int]
    REPLACED_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    PAGES_FIELD_NUMBER: _ClassVar[int]
    CHUNKS_FIELD_NUMBER: _ClassVar[int]
    stored: int
    unchanged: int
    replaced: int
    rejected: int
    pages: int
    chunks: int
    def __init__(self, stored: _Optional[int] = ..., unchanged: _Optional[int] = ..., replaced: _Optional[int] = ..., rejected: _Optional[int] = ..., pages: _Optional[int] = ..., chunks: _Optional[int] = ...) -> None: ...

class ListDocumentsRequest(_message.Message):
    __slots__ = ("collection", "limit", "page_token")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    collection: str
    limit: int
    page_token: str
    def __init__(self, collection: _Optional[str] = ..., limit: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListDocumentsResponse(_message.Message):
    __slots__ = ("documents", "next_page_token")
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    documents: _containers.RepeatedCompositeFieldContainer[Document]
    next_page_token: str
    def __init__(self, documents: _Optional[_Iterable[_Union[Document, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class Document(_message.Message):
    __slots__ = ("name", "media_type", "sha256", "size_bytes", "pages", "chunks", "ingested_at", "metadata")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    PAGES_FIELD_NUMBER: _ClassVar[int]
    CHUNKS_FIELD_NUMBER: _ClassVar[int]
    INGESTED_AT_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    name: str
    media_type: str
    sha256: bytes
    size_bytes: int
    pages: int
    chunks: int
    ingested_at: str
    metadata: _struct_pb2.Struct
    def __init__(self, name: _Optional[str] = ..., media_type: _Optional[str] = ..., sha256: _Optional[bytes] = ..., size_bytes: _Optional[int] = ..., pages: _Optional[int] = ..., chunks: _Optional[int] = ..., ingested_at: _Optional[str] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class DeleteDocumentRequest(_message.Message):
    __slots__ = ("collection", "name")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    collection: str
    name: str
    def __init__(self, collection: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class DeleteDocumentResponse(_message.Message):
    __slots__ = ("chunks",)
    CHUNKS_FIELD_NUMBER: _ClassVar[int]
    chunks: int
    def __init__(self, chunks: _Optional[int] = ...) -> None: ...

class CreateCollectionRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class CreateCollectionResponse(_message.Message):
    __slots__ = ("created",)
    CREATED_FIELD_NUMBER: _ClassVar[int]
    created: bool
    def __init__(self, created: bool = ...) -> None: ...

class ListCollectionsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListCollectionsResponse(_message.Message):
    __slots__ = ("collections",)
    COLLECTIONS_FIELD_NUMBER: _ClassVar[int]
    collections: _containers.RepeatedCompositeFieldContainer[Collection]
    def __init__(self, collections: _Optional[_Iterable[_Union[Collection, _Mapping]]] = ...) -> None: ...

class Collection(_message.Message):
    __slots__ = ("name", "documents", "chunks")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    CHUNKS_FIELD_NUMBER: _ClassVar[int]
    name: str
    documents: int
    chunks: int
    def __init__(self, name: _Optional[str] = ..., documents: _Optional[int] = ..., chunks: _Optional[int] = ...) -> None: ...

class DeleteCollectionRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class DeleteCollectionResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Passage(_message.Message):
    __slots__ = ("id", "collection", "document", "page", "headings", "text", "score", "metadata")
    ID_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    HEADINGS_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    id: str
    collection: str
    document: str
    page: int
    headings: _containers.RepeatedScalarFieldContainer[str]
    text: str
    score: float
    metadata: _struct_pb2.Struct
    def __init__(self, id: _Optional[str] = ..., collection: _Optional[str] = ..., document: _Optional[str] = ..., page: _Optional[int] = ..., headings: _Optional[_Iterable[str]] = ..., text: _Optional[str] = ..., score: _Optional[float] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class SearchRequest(_message.Message):
    __slots__ = ("collections", "query", "limit", "filter", "mode")
    COLLECTIONS_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    collections: _containers.RepeatedScalarFieldContainer[str]
    query: str
    limit: int
    filter: _retrieval_pb2.Filter
    mode: RetrievalMode
    def __init__(self, collections: _Optional[_Iterable[str]] = ..., query: _Optional[str] = ..., limit: _Optional[int] = ..., filter: _Optional[_Union[_retrieval_pb2.Filter, _Mapping]] = ..., mode: _Optional[_Union[RetrievalMode, str]] = ...) -> None: ...

class SearchResponse(_message.Message):
    __slots__ = ("passages", "degraded")
    PASSAGES_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    passages: _containers.RepeatedCompositeFieldContainer[Passage]
    degraded: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, passages: _Optional[_Iterable[_Union[Passage, _Mapping]]] = ..., degraded: _Optional[_Iterable[str]] = ...) -> None: ...

class Turn(_message.Message):
    __slots__ = ("role", "text")
    class Role(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ROLE_UNSPECIFIED: _ClassVar[Turn.Role]
        USER: _ClassVar[Turn.Role]
        ASSISTANT: _ClassVar[Turn.Role]
    ROLE_UNSPECIFIED: Turn.Role
    USER: Turn.Role
    ASSISTANT: Turn.Role
    ROLE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    role: Turn.Role
    text: str
    def __init__(self, role: _Optional[_Union[Turn.Role, str]] = ..., text: _Optional[str] = ...) -> None: ...

class AnswerRequest(_message.Message):
    __slots__ = ("question", "history", "collections", "filter", "effort", "policy", "candidates", "budget", "language", "mode", "judge", "without")
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    COLLECTIONS_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    EFFORT_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    JUDGE_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_FIELD_NUMBER: _ClassVar[int]
    question: str
    history: _containers.RepeatedCompositeFieldContainer[Turn]
    collections: _containers.RepeatedScalarFieldContainer[str]
    filter: _retrieval_pb2.Filter
    effort: Effort
    policy: Policy
    candidates: int
    budget: Budget
    language: str
    mode: RetrievalMode
    judge: Judge
    without: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, question: _Optional[str] = ..., history: _Optional[_Iterable[_Union[Turn, _Mapping]]] = ..., collections: _Optional[_Iterable[str]] = ..., filter: _Optional[_Union[_retrieval_pb2.Filter, _Mapping]] = ..., effort: _Optional[_Union[Effort, str]] = ..., policy: _Optional[_Union[Policy, str]] = ..., candidates: _Optional[int] = ..., budget: _Optional[_Union[Budget, _Mapping]] = ..., language: _Optional[str] = ..., mode: _Optional[_Union[RetrievalMode, str]] = ..., judge: _Optional[_Union[Judge, str]] = ..., without: _Optional[_Iterable[str]] = ...) -> None: ...

class Budget(_message.Message):
    __slots__ = ("steps", "tokens", "wall_time_ms")
    STEPS_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    WALL_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    steps: int
    tokens: int
    wall_time_ms: int
    def __init__(self, steps: _Optional[int] = ..., tokens: _Optional[int] = ..., wall_time_ms: _Optional[int] = ...) -> None: ...

class AnswerResponse(_message.Message):
    __slots__ = ("step", "retrieval", "token", "citation", "verdict", "done")
    STEP_FIELD_NUMBER: _ClassVar[int]
    RETRIEVAL_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    CITATION_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    step: Step
    retrieval: Retrieval
    token: Token
    citation: Citation
    verdict: Verdict
    done: Done
    def __init__(self, step: _Optional[_Union[Step, _Mapping]] = ..., retrieval: _Optional[_Union[Retrieval, _Mapping]] = ..., token: _Optional[_Union[Token, _Mapping]] = ..., citation: _Optional[_Union[Citation, _Mapping]] = ..., verdict: _Optional[_Union[Verdict, _Mapping]] = ..., done: _Optional[_Union[Done, _Mapping]] = ...) -> None: ...

class Step(_message.Message):
    __slots__ = ("name", "detail", "elapsed_ms")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    ELAPSED_MS_FIELD_NUMBER: _ClassVar[int]
    name: str
    detail: str
    elapsed_ms: float
    def __init__(self, name: _Optional[str] = ..., detail: _Optional[str] = ..., elapsed_ms: _Optional[float] = ...) -> None: ...

class Retrieval(_message.Message):
    __slots__ = ("passages",)
    PASSAGES_FIELD_NUMBER: _ClassVar[int]
    passages: _containers.RepeatedCompositeFieldContainer[Passage]
    def __init__(self, passages: _Optional[_Iterable[_Union[Passage, _Mapping]]] = ...) -> None: ...

class Token(_message.Message):
    __slots__ = ("text",)
    TEXT_FIELD_NUMBER: _ClassVar[int]
    text: str
    def __init__(self, text: _Optional[str] = ...) -> None: ...

class Citation(_message.Message):
    __slots__ = ("number", "passage", "start", "end")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    PASSAGE_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    number: int
    passage: Passage
    start: int
    end: int
    def __init__(self, number: _Optional[int] = ..., passage: _Optional[_Union[Passage, _Mapping]] = ..., start: _Optional[int] = ..., end: _Optional[int] = ...) -> None: ...

class Verdict(_message.Message):
    __slots__ = ("kind", "confidence", "reason", "start", "end")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[Verdict.Kind]
        ANSWERED: _ClassVar[Verdict.Kind]
        NO_SUPPORT: _ClassVar[Verdict.Kind]
        UNSUPPORTED_CLAIM: _ClassVar[Verdict.Kind]
        REPLACED_BY_QUOTE: _ClassVar[Verdict.Kind]
        NOT_USEFUL: _ClassVar[Verdict.Kind]
        BLOCKED: _ClassVar[Verdict.Kind]
        REDACTED: _ClassVar[Verdict.Kind]
        NOT_CHECKED: _ClassVar[Verdict.Kind]
    KIND_UNSPECIFIED: Verdict.Kind
    ANSWERED: Verdict.Kind
    NO_SUPPORT: Verdict.Kind
    UNSUPPORTED_CLAIM: Verdict.Kind
    REPLACED_BY_QUOTE: Verdict.Kind
    NOT_USEFUL: Verdict.Kind
    BLOCKED: Verdict.Kind
    REDACTED: Verdict.Kind
    NOT_CHECKED: Verdict.Kind
    KIND_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    kind: Verdict.Kind
    confidence: float
    reason: str
    start: int
    end: int
    def __init__(self, kind: _Optional[_Union[Verdict.Kind, str]] = ..., confidence: _Optional[float] = ..., reason: _Optional[str] = ..., start: _Optional[int] = ..., end: _Optional[int] = ...) -> None: ...

class Done(_message.Message):
    __slots__ = ("answer", "answered", "citations", "steps", "elapsed_ms", "first_token_ms", "degraded", "budget_exhausted", "prompt_tokens", "completion_tokens", "route", "steps_taken", "verdicts")
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    ANSWERED_FIELD_NUMBER: _ClassVar[int]
    CITATIONS_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    ELAPSED_MS_FIELD_NUMBER: _ClassVar[int]
    FIRST_TOKEN_MS_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    BUDGET_EXHAUSTED_FIELD_NUMBER: _ClassVar[int]
    PROMPT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    STEPS_TAKEN_FIELD_NUMBER: _ClassVar[int]
    VERDICTS_FIELD_NUMBER: _ClassVar[int]
    answer: str
    answered: bool
    citations: _containers.RepeatedCompositeFieldContainer[Citation]
    steps: _containers.RepeatedCompositeFieldContainer[Step]
    elapsed_ms: float
    first_token_ms: float
    degraded: _containers.RepeatedScalarFieldContainer[str]
    budget_exhausted: bool
    prompt_tokens: int
    completion_tokens: int
    route: Route
    steps_taken: int
    verdicts: _containers.RepeatedCompositeFieldContainer[Verdict]
    def __init__(self, answer: _Optional[str] = ..., answered: bool = ..., citations: _Optional[_Iterable[_Union[Citation, _Mapping]]] = ..., steps: _Optional[_Iterable[_Union[Step, _Mapping]]] = ..., elapsed_ms: _Optional[float] = ..., first_token_ms: _Optional[float] = ..., degraded: _Optional[_Iterable[str]] = ..., budget_exhausted: bool = ..., prompt_tokens: _Optional[int] = ..., completion_tokens: _Optional[int] = ..., route: _Optional[_Union[Route, str]] = ..., steps_taken: _Optional[int] = ..., verdicts: _Optional[_Iterable[_Union[Verdict, _Mapping]]] = ...) -> None: ...
