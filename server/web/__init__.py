"""The page: static files, and the routes that serve them. It knows neither the model nor the protocols."""
