"""The plumbing under every service; it knows no domain and imports no service."""
