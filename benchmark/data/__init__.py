"""Turns a folder of image files into arrays with splits, and into tables and pictures of them."""
