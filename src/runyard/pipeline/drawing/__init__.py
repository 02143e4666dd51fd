"""Pictures of who waits for whom: as network text, for Graphviz, as SVG. Pure: a `Picture` in, text out.

Labels are text of others: each form shows them as they are and takes nothing in them for its own marks.
"""
