"""What every test may count on."""

import os

# Powertools reads its settings when a handler is imported, whichever test comes first; the
# template sets them for the functions.
os.environ.setdefault("POWERTOOLS_SERVICE_NAME", "ragline")
os.environ.setdefault("POWERTOOLS_METRICS_NAMESPACE", "Ragline")
os.environ.setdefault("POWERTOOLS_TRACE_DISABLED", "true")
