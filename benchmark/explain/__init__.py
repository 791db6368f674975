"""Turns a network and test images into pictures of what it looked at."""
