"""HTTP over a Service: FastAPI on a Unix socket. Async stays in here."""
