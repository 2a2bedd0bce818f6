"""Artifacts: directories that are whole or absent, named by what was asked and checked by what they hold."""
