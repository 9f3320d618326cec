"""Interval labels of the field's tools, read into marks and written from them."""
