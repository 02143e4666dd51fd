"""From what people write to a checked pipeline: options (those of sbatch too), YAML and JSON, matrices. Pure."""
