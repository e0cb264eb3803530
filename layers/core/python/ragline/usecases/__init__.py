"""What Ragline does, one module each: plain functions that take their ports as keywords."""
