"""Show: what a person sees of a job: samples, an estimate, progress, a report."""
