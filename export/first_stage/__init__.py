"""The first stage of a cascade, added to an artifact: texts and the graph's answers -> weights and thresholds."""
