"""What is shown and where it is looked for: images, queries, and references that are remembered."""
