"""Handlers of the API with their routes, one module for each kind of resource."""
