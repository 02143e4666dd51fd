"""Text of the scripts that a pipeline is run by. Pure: a pipeline and where its files lie in, scripts out."""
