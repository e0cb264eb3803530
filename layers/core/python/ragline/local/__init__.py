"""The pipeline on a laptop: a local AWS stand-in behind a guard, and the deploy of the template.

guard       what stands in front of the stand-in; runs under its interpreter, not ours
installed   MiniStack in a venv of its own, in the user's cache
process     one process known by pid and start time
cloud       start, stop, running: the local cloud of one directory
packaging   the one place where local packaging differs from ``sam build``
nesting     leaf stacks folded into the template that includes them
deploy      template → zips → CloudFormation, on any endpoint
aws         boto3 clients for an endpoint that wants no real credentials
"""
