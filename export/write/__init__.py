"""Write: the artifact directory, its known answers, model card and report."""
