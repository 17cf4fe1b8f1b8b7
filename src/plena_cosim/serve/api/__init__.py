"""OpenAI's interface over HTTP: fields, answers, errors, keys and metrics."""
