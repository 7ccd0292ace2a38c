"""Reports: figures as tables, JSON, Markdown and pictures, with the machine that they were measured on."""
