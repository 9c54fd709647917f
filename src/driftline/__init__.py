"""Driftline: see what your language model does in production, know when it changes, and fix it."""
