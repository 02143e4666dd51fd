"""The decisions of one round, from a View to a Plan. Pure: imports the model only; `now` is an argument."""
