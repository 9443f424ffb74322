"""Loading what people write: YAML or JSON to a model, with every error at once by file, line and field.

The models stand beside their subject (a suite's in ``testing``); this room knows only their kinds.
"""
