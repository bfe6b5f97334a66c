"""The conversation with impact.com. Knows no stream and no field."""
