"""The Service over HTTP, and the public Python API on top of it."""
