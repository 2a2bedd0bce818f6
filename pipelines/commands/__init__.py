"""The commands of `python -m pipelines`, one a file; each adds its arguments in `add_to` and works in `run`."""
