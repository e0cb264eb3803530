"""Engines that recognise text in pictures, each a ``ports.Ocr``.

``rapid`` runs here, ``textract`` and ``vision`` ask a service. Nothing is imported or loaded before
the first picture is read.
"""
