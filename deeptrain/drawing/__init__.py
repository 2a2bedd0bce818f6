"""What all pictures share: a canvas in two themes, pixels, long curves made short, numbers and names in words."""
