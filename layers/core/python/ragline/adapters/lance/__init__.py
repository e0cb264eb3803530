"""The vector index on LanceDB: Lance tables in a folder or a bucket."""
