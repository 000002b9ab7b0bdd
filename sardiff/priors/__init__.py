"""What clean images look like."""
