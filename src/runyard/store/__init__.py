"""Where jobs are kept: one protocol (`base`), in memory and in SQL."""
