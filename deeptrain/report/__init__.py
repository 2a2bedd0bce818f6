"""Pages and pictures of a finished run, as bytes that follow from the run's numbers alone."""
