"""Telling others: webhooks' receivers and secrets, WebSockets, EventBridge."""
