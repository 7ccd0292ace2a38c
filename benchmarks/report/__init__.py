"""What was measured, as tables, JSON, Markdown and pictures, and the machine that it was measured on."""
