"""The modules of the page's file view in a real browser."""
