"""The HTTP door: OpenAI's API in front of the suite's gRPC services."""
