"""What `python -m pipelines new` writes: an experiment file and a builder, to be changed."""
