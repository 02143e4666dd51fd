"""Builds things and puts them together: one module for each process. Imported by entry points alone."""
