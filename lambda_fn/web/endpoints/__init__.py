"""The handlers of the API, with the route of each: one module for each kind of resource."""
