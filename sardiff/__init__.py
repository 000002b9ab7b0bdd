"""Restore satellite scenes with diffusion models."""
