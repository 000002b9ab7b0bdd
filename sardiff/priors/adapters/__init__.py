"""Models of other programs as priors; what each needs is imported when one is loaded."""
