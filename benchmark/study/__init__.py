"""What is to be run: the study's systems, settings, presets, and the runs that they come to."""
