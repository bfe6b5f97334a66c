"""A local impact.com: a partner account that lives through time, behind a real HTTP server."""
