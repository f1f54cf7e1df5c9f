"""From queries to answers: asking a model, looking closer, look-alikes, and files of what was found."""
