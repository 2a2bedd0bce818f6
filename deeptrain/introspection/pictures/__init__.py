"""Pictures of arrays: one kind a file, each a function that gives a `drawing.canvas.Picture`."""
