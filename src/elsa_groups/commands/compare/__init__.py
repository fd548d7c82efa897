"""Lay groups runs side by side."""
