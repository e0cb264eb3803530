"""Every port in memory: what tests and experiments run on, held to the real ones' promises."""
