"""The ways of reading impact.com."""
