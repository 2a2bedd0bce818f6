"""What acts while training: the protocol of callbacks, how they are named and told, and the ready-made ones."""
