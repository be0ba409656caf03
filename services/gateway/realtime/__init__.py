"""OpenAI's Realtime protocol over WebSocket: who may come in, and each event as one of `ledge.voice.v1` and back."""
