"""Scripts of a pipeline in tmux: the `driver` starts a `worker` for each place, and the `coordinator`. Pure."""
