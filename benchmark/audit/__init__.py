"""What is doubtful about a data set, as far as its properties and a linear probe can tell."""
