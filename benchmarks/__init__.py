"""How fast the tap is, against what the work itself costs and against a plain tap of the SDK."""
