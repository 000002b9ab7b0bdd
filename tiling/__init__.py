"""Windows of anything array-like: tiles that overlap, weights that sum to one, noise that belongs to places."""
