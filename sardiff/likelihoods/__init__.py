"""How well clean images explain what was measured."""
