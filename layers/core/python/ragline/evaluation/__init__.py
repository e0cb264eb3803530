"""How well and how fast the right document is found, measured on judged collections.

``datasets`` reads a collection, ``building`` takes it through the real splitter, embedder and
indexer, ``asking`` puts its queries to the real search, ``measures`` scores what came back.
"""
