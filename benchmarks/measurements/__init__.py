"""The measurements behind the commands: each is a function from a rig and an effort to sections of a report."""
