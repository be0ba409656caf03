"""Text generation: one base model a process, every call batched with the others by the engine."""
