"""What happens before a submit: flags and files become specs, the environment and scripts become blobs."""
