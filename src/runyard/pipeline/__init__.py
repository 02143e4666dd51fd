"""Pipelines of shell commands: a graph of jobs, rendered as scripts, run by one of several backends, and watched.

`spec`, `graph`, `layout`, `render/` and `drawing/` are pure: a pipeline in, text out.
"""
