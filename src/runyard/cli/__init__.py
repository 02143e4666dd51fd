"""The command line: one file per family of verbs; what is printed goes through `render`."""
