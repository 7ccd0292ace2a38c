"""The load: texts, requests, and the client that sends them in closed and open loops."""
