"""Raw files: what lies in a directory, and its rows as arrays. One file a format; adding one touches this room only.

`raw.files(path)` finds the files and `raw.open(path)` reads them. Nothing in a raw file is ever executed.
"""
