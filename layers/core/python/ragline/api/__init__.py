"""The HTTP API: translates requests into use cases, and what they return or raise into answers."""
