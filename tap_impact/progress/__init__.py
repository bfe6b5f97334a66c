"""What is loaded, and what to read next. Pure: no HTTP, no SDK."""
