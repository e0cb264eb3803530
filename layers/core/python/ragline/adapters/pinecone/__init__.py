"""The vector index on Pinecone."""
