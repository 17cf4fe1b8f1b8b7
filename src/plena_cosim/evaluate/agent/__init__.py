"""Agents: models that use tools, step by step, until a task is done."""
