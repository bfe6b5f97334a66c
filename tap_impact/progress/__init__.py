"""What a stream holds, and what to read next. Pure: no HTTP, no SDK."""
