"""The nouns of the pipeline and their rules: pure, no input or output, no framework."""
