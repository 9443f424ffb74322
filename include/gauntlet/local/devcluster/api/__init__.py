"""The HTTP face: discovery, verbs, validation, admission. Reaches pods' streams through a protocol only."""
