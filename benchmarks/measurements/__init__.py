"""The measurements behind the commands, each from a rig and an effort to sections of a report."""
