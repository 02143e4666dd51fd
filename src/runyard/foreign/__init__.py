"""What is not ours: other programs, other people's processes, the machine's file systems."""
