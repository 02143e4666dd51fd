"""The rows of the table, one module for each family. Each has `measure(scale)`, which yields Lines."""
