"""Looking into a model: what it is made of."""
