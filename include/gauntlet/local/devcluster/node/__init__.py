"""The node: images, volumes, containers as processes. Knows the API by HTTP only, never the store."""
