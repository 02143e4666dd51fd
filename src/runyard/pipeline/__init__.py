"""Pipelines of shell commands: a graph of jobs, rendered as scripts, run by one of several backends, and watched.

`spec`, `graph` and `state` say what a pipeline is and how it stands; `reading/` makes one of what people write,
`render/` scripts of it, `drawing/` pictures: all of it pure. `layout`, `runs` and `shelf` are its files, `backends/`
runs it, `showing/` shows it. `pipeline` is the Python face, `cmd_queue/` the same with cmd_queue's words.
"""
