"""One module a verb: what one step does, whoever asks for it and wherever it happens."""
