"""The parsers in a process of their own: ``parent.ChildReader`` here, ``child`` there.

A strangers' file may crash a parser, hang it, or have it take all memory. So the process that reads
it holds nothing that is worth stealing (no credentials, no settings), may take so much memory, and
is killed when its time is over. Nothing here is imported by both sides but ``pipe`` and ``wire``;
what the child says is checked like anything else that comes from outside, and never unpickled.
"""
