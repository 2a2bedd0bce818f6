"""Batches: in which order samples come, where the reader stands, what is done to a batch before it is fed."""

from deeptrain.loading.opening import open as open
