"""Whisper for many streams at once: windows of their audio queue for one model, and are decoded in batches."""
