"""HTTP: routes, middleware and the one error table. Only this package and ``server.app`` import FastAPI."""
