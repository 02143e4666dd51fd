"""What people see of a pipeline on their terminal: its commands before it runs, how it stands while it does."""
