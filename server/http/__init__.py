"""The HTTP side: routes, middleware and the one error table. The only place beside ``app`` that knows FastAPI."""
