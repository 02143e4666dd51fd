"""The command line: one file per family of verbs; what is printed goes through `render`.

What a verb imports is what its user waits for, so modules are loaded when they are used, small records are NamedTuples
(a quarter of a dataclass's cost at import) and regular expressions are compiled when they are needed, here and in
`submitting`.
"""
