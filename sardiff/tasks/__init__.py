"""Where files, tiles and tensors meet."""
