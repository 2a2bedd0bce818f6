"""Metrics by name: what they are called, whether more is better, what they fit, and their value on whole arrays."""
