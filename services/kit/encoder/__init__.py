"""The sentence encoder that the embedding and the reranking service share: texts become unit vectors.

text           the nouns: a tokenised text, an encoded text, what happens to a long one
tokenisation   text → token ids, with the place of each token in the text
conversion     the model's safetensors → CTranslate2's int8 weights, once, without torch
sentence       token ids → one vector a text, one vector a token (blocking)
batched        the same for many asynchronous callers: bounded, batched by tokens, off the event loop
model_info     what `ListModels` tells of the model

Import from the modules: `text` and `batched` need numpy alone, the others the libraries of the extra `embedding`.
"""
