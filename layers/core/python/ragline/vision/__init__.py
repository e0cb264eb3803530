"""Pages as pictures, and models that see them."""
