"""The page: one server on the loopback address with Luigi's scheduler, and beside it the runs of a store."""
