"""What makes raw scores into decisions: the threshold, the best subset of sets, and an honest score of both."""
