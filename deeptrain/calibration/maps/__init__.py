"""Maps from scores to probabilities: one file a method, all fitted to targets, all plain numbers when written."""
