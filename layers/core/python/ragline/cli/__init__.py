"""The `ragline` command: what a person types to start, fill, search and watch a stack."""
