"""Everything that the command line prints, behind one `Output`."""
