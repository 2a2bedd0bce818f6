"""Raw files: what lies in a directory, and its samples as arrays. One file a format; adding one touches this room only.

`discovery.find(path)` finds the files by their names, `discovery.open(path)` opens them as one `RawData`. Nothing in
a raw file is ever executed. `@formats.loader(".xyz")` has files of another kind read by a function.
"""

from deeptrain.formats.loaders import loader as loader
