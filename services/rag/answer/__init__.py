"""A question's answer: read, bounded, worded, cited and checked."""
