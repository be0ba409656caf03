"""Cohere's SDK, both versions of its reranking; what it gave is written as JSON."""

import asyncio
import json
import os
import sys

import cohere

SERVER = {"base_url": os.environ["URL"], "api_key": os.environ["KEY"]}
ASKED = {
    "model": "all-minilm-l6-v2",
    "query": "pumps of the pump house",
    "documents": ["the gate is opened in spring", "the pump house holds three pumps", "a pump"],
}

second = cohere.ClientV2(**SERVER).rerank(**ASKED, top_n=2)
asynchronous = asyncio.run(cohere.AsyncClientV2(**SERVER).rerank(**ASKED, top_n=2))
first = cohere.Client(**SERVER).rerank(**ASKED, return_documents=True)
errors = []
for settings in ({"model": "no-such-model"}, {"documents": []}):
    try:
        cohere.ClientV2(**SERVER).rerank(**{**ASKED, **settings})
    except (cohere.NotFoundError, cohere.BadRequestError) as error:
        errors.append([type(error).__name__, error.body["message"]])
try:
    cohere.ClientV2(base_url=SERVER["base_url"], api_key="wrong").rerank(**ASKED)
except cohere.UnauthorizedError as error:
    errors.append([type(error).__name__, error.body["message"]])
told = {
    "second": [[result.index, result.relevance_score] for result in second.results],
    "asynchronous": [[result.index, result.relevance_score] for result in asynchronous.results],
    "first": [[result.index, result.document.text] for result in first.results],
    "errors": errors,
}
json.dump(told, sys.stdout)
