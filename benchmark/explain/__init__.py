"""Turns an image classifier and images into pictures of where it looked."""
