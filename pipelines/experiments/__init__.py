"""Ready experiments: a TOML file each, and its builder beside it."""
