"""Shards: samples as arrays on disk, split, numbered and ready to be mapped into memory.

`conversion.convert` writes them from raw files and describes the format; `reading.open` reads them.
"""
