"""The streams: declarations on top of the ways to read that `base` has."""
