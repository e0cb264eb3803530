"""The code that the functions of the small stack share."""

GREETING = "hello from the layer"
