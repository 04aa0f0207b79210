"""The web layer of the API: routing, requests, responses and errors."""
