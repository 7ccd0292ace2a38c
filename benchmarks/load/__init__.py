"""What is sent to a server and what comes back: texts, requests, clients, closed and open loops."""
