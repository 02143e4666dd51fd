"""One attempt on this machine: its files, the runner that holds it, and the zygote that runners are forked from."""
