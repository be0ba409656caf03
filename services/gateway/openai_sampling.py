"""How a model samples, as OpenAI's bodies say it, with vLLM's extras; and the protobuf it means."""

import json
from typing import Annotated, Any, Literal

from ledge.llm.v1 import llm_pb2 as pb
from pydantic import BeforeValidator, Field, JsonValue

from services.gateway.body import MAX_UINT32, Body
from services.gateway.hybrid_choice import HybridChoice
from services.kit.errors import InvalidInput

MAX_LOGIT_BIASES = 300


def _few(biases: Any) -> Any:
    # pydantic would look at a million entries, and tell of each, before it counted them.
    if isinstance(biases, dict) and len(biases) > MAX_LOGIT_BIASES:
        raise ValueError(f"at most {MAX_LOGIT_BIASES} entries")
    return biases


class JsonSchema(Body):
    name: str = "schema"
    json_schema: dict[str, JsonValue] = Field({}, alias="schema")


class ResponseFormat(Body):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class StructuredOutputs(Body):
    """What restricts an answer in vLLM's and NIM's way: at most one of them."""

    guided_json: dict[str, JsonValue] | str | None = None
    guided_choice: Annotated[list[str], Field(min_length=1, max_length=256, fail_fast=True)] | None = None
    guided_regex: str | None = None
    guided_grammar: str | None = None

    def guided(self) -> pb.Constraint | None:
        """The constraint; None where there is none."""
        if self.guided_json is not None:
            return schema_constraint(self.guided_json)
        if self.guided_choice is not None:
            return pb.Constraint(grammar=_alternatives(self.guided_choice))
        if self.guided_regex is not None:
            return pb.Constraint(regex=self.guided_regex)
        if self.guided_grammar is not None:
            return pb.Constraint(grammar=self.guided_grammar)
        return None


class SamplingFields(StructuredOutputs):
    """The fields that chats and completions share. Absent ones stay absent, so that the service's defaults hold."""

    model: str = ""
    temperature: Annotated[float | None, Field(ge=0, le=2)] = None
    top_p: Annotated[float | None, Field(gt=0, le=1)] = None
    n: Annotated[int | None, Field(ge=1, le=8)] = None
    stop: str | Annotated[list[str], Field(max_length=16, fail_fast=True)] | None = None
    max_tokens: Annotated[int | None, Field(ge=1, le=MAX_UINT32)] = None
    presence_penalty: Annotated[float | None, Field(ge=-2, le=2)] = None
    frequency_penalty: Annotated[float | None, Field(ge=-2, le=2)] = None
    logit_bias: Annotated[
        dict[Annotated[int, Field(ge=0, le=MAX_UINT32)], Annotated[float, Field(ge=-100, le=100)]] | None,
        BeforeValidator(_few),
    ] = None
    seed: Annotated[int | None, Field(ge=-(2**63), le=2**63 - 1)] = None
    response_format: ResponseFormat | None = None
    top_k: Annotated[int | None, Field(ge=0, le=MAX_UINT32)] = None
    min_p: Annotated[float | None, Field(ge=0, le=1)] = None
    repetition_penalty: Annotated[float | None, Field(gt=0, le=2)] = None
    priority: Annotated[int | None, Field(ge=-100, le=100)] = None
    nvext: StructuredOutputs | None = None
    """Where NIM 1.x looks for the `guided_…` fields."""
    hybrid: HybridChoice | None = None
    """Ledge's own: which of two models answers, and what must not leave."""

    def stops(self) -> list[str]:
        if self.stop is None:
            return []
        return [self.stop] if isinstance(self.stop, str) else self.stop

    def sampling(self, max_tokens: int | None, top_logprobs: int | None) -> pb.Sampling:
        """How to sample.

        Args:
            max_tokens: None: up to the end of the context.
            top_logprobs: None: tell none.
        """
        sampling = pb.Sampling(stop=self.stops(), logit_bias=self.logit_bias or {})
        for name in (
            "temperature", "top_p", "top_k", "min_p", "presence_penalty", "frequency_penalty",
            "repetition_penalty", "seed", "n",
        ):  # fmt: skip
            if (value := getattr(self, name)) is not None:
                setattr(sampling, name, value)
        if max_tokens is not None:
            sampling.max_tokens = max_tokens
        if top_logprobs is not None:
            sampling.top_logprobs = top_logprobs
        return sampling

    def constraint(self) -> pb.Constraint | None:
        """What restricts the answer; None where nothing does."""
        guided = self.guided() or (self.nvext.guided() if self.nvext is not None else None)
        if guided is not None or self.response_format is None or self.response_format.type == "text":
            return guided
        if self.response_format.type == "json_object":
            return ANY_OBJECT
        if self.response_format.json_schema is None:
            raise InvalidInput("response_format.json_schema is missing")
        return schema_constraint(self.response_format.json_schema.json_schema)


ANY_OBJECT = pb.Constraint(json_schema='{"type": "object"}')
"""What OpenAI's `json_object` means."""


def schema_constraint(schema: dict[str, JsonValue] | str) -> pb.Constraint:
    """An answer that fits a JSON schema."""
    return pb.Constraint(json_schema=schema if isinstance(schema, str) else json.dumps(schema))


def _alternatives(choices: list[str]) -> str:
    """A grammar (GBNF) whose language is these texts. JSON's escapes are GBNF's, too."""
    return "root ::= " + " | ".join(json.dumps(choice, ensure_ascii=False) for choice in choices)
